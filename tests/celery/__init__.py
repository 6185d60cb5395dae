"""Exports on a real Celery: ``make test-cluster`` runs them, in an environment of their own."""
