"""What a person asks of a connection before relying on it: does it work, and what will an export cost."""
