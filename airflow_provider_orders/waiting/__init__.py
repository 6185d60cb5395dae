"""How the status of orders is watched: conditions, decided by the same code in every mode. Knows no Airflow."""
