"""What a task tells OpenLineage: which orders it has read, and what it has written."""
