"""What a person sees: forms, buttons, runs and pages of a real Airflow, in a real browser; ``make test-browser``."""

from __future__ import annotations
