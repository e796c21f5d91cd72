"""The stack on one machine: PostgreSQL, Airflow, the embedded AWS, and the demo that runs on them."""
