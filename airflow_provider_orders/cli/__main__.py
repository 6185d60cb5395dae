"""The same as ``airflow-orders``: ``python -m airflow_provider_orders.cli``."""

from __future__ import annotations

import sys

from airflow_provider_orders.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
