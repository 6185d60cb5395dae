"""Hooks: one per order API, and the base that finds the right one for a connection."""
