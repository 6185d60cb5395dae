"""How orders are watched: conditions, decided by the same code in every mode, and the poller that many waits share.

Knows no Airflow.
"""
