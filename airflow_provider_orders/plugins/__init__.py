"""Plugins: what the provider adds to Airflow's UI."""
