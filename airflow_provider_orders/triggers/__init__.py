"""Triggers, by which sensors wait without a worker slot."""
