"""The control room: a page of Airflow that shows each environment's platform, clusters, runs and data."""
