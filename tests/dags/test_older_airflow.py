"""The DAGs as an older Airflow has them: as the package makes them where it takes this one for that."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.airflow_names import DAG_BAG
from tests.dags.conftest import DAGS_FOLDER, PROJECT
from tests.dags.test_integrity import DAG_FILES

SCRIPT = f"""
import json, airflow
runs, airflow.__version__ = airflow.__version__, "3.0.6"
from sagemaker_emr import airflow_versions
airflow.__version__ = runs

from {DAG_BAG} import DagBag
bag = DagBag({str(DAGS_FOLDER)!r})
train, deploy = bag.dags["train_and_deploy_model"], bag.dags["deploy_platform"]
prepare = bag.dags["prepare_features"]
from sagemaker_emr_plugin import SageMakerEmrPlugin
print(json.dumps({{
    "errors": bag.import_errors,
    "dags": sorted(bag.dags),
    "schedules": [type(train.schedule).__name__, prepare.schedule._expression],
    "approval": type(deploy.get_task("approve_plan")).__name__,
    "backoff": train.get_task("train_model").retry_exponential_backoff,
    "told_of_paused": prepare.get_task("start_cluster").fail_when_dag_is_paused,
    "pages": [SageMakerEmrPlugin.fastapi_apps, SageMakerEmrPlugin.external_views],
}}))
"""


@pytest.fixture(scope="module")
def older():
    env = {
        "PATH": "",
        "PYTHONPATH": str(PROJECT / "plugins"),
        "PYTHONWARNINGS": "ignore",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_HOME": str(PROJECT / "var" / "test-airflow"),
    }
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True, cwd=PROJECT, env=env
    )
    return json.loads(ran.stdout.splitlines()[-1])


def test_all_load(older):
    assert older["errors"] == {}
    assert older["dags"] == [path.stem for path in DAG_FILES]


def test_the_training_follows_the_plain_asset_and_the_preparation_its_daily_schedule(older):
    assert older["schedules"] == ["Asset", "0 0 * * *"]


def test_a_plan_that_loses_data_is_refused_instead_of_asked_about(older):
    assert older["approval"] == "RefuseUnapprovedOperator"


def test_nothing_is_asked_of_airflow_that_it_does_not_know(older):
    assert older["backoff"] is True
    assert older["told_of_paused"] is False


def test_no_page_is_served_nor_linked_to_who_could_not_log_in(older):
    assert older["pages"] == [[], []]
