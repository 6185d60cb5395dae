"""Operators that read orders."""
