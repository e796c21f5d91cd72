#!/bin/sh
# Before Airflow's services start: the database's tables, and its administrator, made once.
set -eu
airflow db migrate
airflow users create --username admin --firstname Admin --lastname Admin --email admin@example.org \
  --role Admin --password "$AIRFLOW_ADMIN_PASSWORD"
