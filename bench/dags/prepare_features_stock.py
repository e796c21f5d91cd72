"""The same features, prepared as AWS's own examples do it: each run has a cluster, all with stock operators.

The Amazon provider's example: https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/operators/emr/emr.html
Everything is left at its default, but for one: a sensor asks every 60 seconds, and where AWS's waiting
takes a 60th of its time, so does the sensor's. A step may be added to a cluster that still starts, so nothing
waits for the cluster by itself; and nothing waits for its end. Both make this side quicker.

The cluster is as large as the shared one, stands in the same network and runs the same bootstrap action. It
has no Livy, since steps need none. `python -m bench` gives all that as the backfill's configuration.
"""

from __future__ import annotations

import os
from datetime import datetime

from airflow.providers.amazon.aws.operators.emr import (
    EmrAddStepsOperator,
    EmrCreateJobFlowOperator,
    EmrTerminateJobFlowOperator,
)
from airflow.providers.amazon.aws.sensors.emr import EmrStepSensor
from airflow.sdk import CronDataIntervalTimetable, TriggerRule, chain, dag

from sagemaker_emr.flights import HISTORY_DAYS, SPARK_MODULES

STOCK_POKE_SECONDS = 60
POKE_SECONDS = STOCK_POKE_SECONDS / float(os.environ.get("LOCAL_AWS_TIME_SCALE", "60"))

JOB_FLOW = {
    "Name": "prepare-features-stock-{{ ds }}",
    "ReleaseLabel": "{{ dag_run.conf.release }}",
    "Applications": [{"Name": "Spark"}],
    "Instances": {
        "InstanceGroups": [
            {
                "Name": "Master",
                "InstanceRole": "MASTER",
                "InstanceType": "{{ dag_run.conf.master_instance_type }}",
                "InstanceCount": 1,
            },
            {
                "Name": "Core",
                "InstanceRole": "CORE",
                "InstanceType": "{{ dag_run.conf.core_instance_type }}",
                "InstanceCount": 2,
            },
        ],
        "KeepJobFlowAliveWhenNoSteps": True,
        "Ec2SubnetId": "{{ dag_run.conf.subnet }}",
        "EmrManagedMasterSecurityGroup": "{{ dag_run.conf.master_security_group }}",
        "EmrManagedSlaveSecurityGroup": "{{ dag_run.conf.core_security_group }}",
        "ServiceAccessSecurityGroup": "{{ dag_run.conf.service_access_security_group }}",
    },
    "BootstrapActions": [
        {
            "Name": "installpylibs",
            "ScriptBootstrapAction": {
                "Path": "{{ dag_run.conf.bootstrap_script }}",
                "Args": ["{{ dag_run.conf.release }}", "{{ dag_run.conf.python_packages }}"],
            },
        }
    ],
    "LogUri": "{{ dag_run.conf.log_uri }}",
    "JobFlowRole": "EMR_EC2_DefaultRole",
    "ServiceRole": "EMR_DefaultRole",
    "VisibleToAllUsers": True,
}
CODE = "{{ dag_run.conf.code }}"
STEPS = [
    {
        "Name": "prepare_features",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {
            "Jar": "command-runner.jar",
            "Args": [
                "spark-submit",
                *("--py-files", ",".join(f"{CODE}/{module}.py" for module in SPARK_MODULES[1:])),
                f"{CODE}/{SPARK_MODULES[0]}.py",
                *("--raw", "{{ dag_run.conf.raw }}", "--features", "{{ dag_run.conf.features }}"),
                *("--from", "{{ ds }}", "--to", "{{ ds }}", "--history-days", str(HISTORY_DAYS)),
                *("--batch-name", "{{ dag_run.conf.batch_prefix }}-{{ ds }}"),
                *("--code-hash", "{{ dag_run.conf.code_hash }}", "--region", "{{ dag_run.conf.region }}"),
                *("--when-raw-is-missing", "skip", "--no-force"),
            ],
        },
    }
]


@dag(
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2013, 1, 1),
    end_date=datetime(2013, 12, 31),  # else it had a scheduled run as well, of yesterday
    catchup=False,
    is_paused_upon_creation=True,
    tags=["bench"],
)
def prepare_features_stock() -> None:
    create_job_flow = EmrCreateJobFlowOperator(task_id="create_job_flow", job_flow_overrides=JOB_FLOW)
    cluster_id = create_job_flow.output
    add_steps = EmrAddStepsOperator(task_id="add_steps", job_flow_id=cluster_id, steps=STEPS)
    wait_for_step = EmrStepSensor(
        task_id="wait_for_step",
        job_flow_id=cluster_id,
        step_id="{{ ti.xcom_pull('add_steps')[0] }}",
        poke_interval=POKE_SECONDS,
    )
    remove_cluster = EmrTerminateJobFlowOperator(
        task_id="remove_cluster", job_flow_id=cluster_id, trigger_rule=TriggerRule.ALL_DONE
    )
    chain(create_job_flow, add_steps, wait_for_step, remove_cluster)


prepare_features_stock()
