"""SageMaker Studio integrated with EMR, run from Airflow."""
