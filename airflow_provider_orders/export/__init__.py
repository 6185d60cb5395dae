"""How orders leave: pages in, a sink, a manifest out. Knows no Airflow."""
