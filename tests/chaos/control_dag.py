"""The control: the chain as the Amazon provider's own examples build it, with stock operators as they are.

https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/operators/emr/emr.html and
https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/operators/sagemaker.html

Its tasks are retried as ours are, its cluster is torn down by a teardown, and what it makes has names and a
tag of its run. The form (``dag_run.conf``) tells where the platform is.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.operators.emr import (
    EmrAddStepsOperator,
    EmrCreateJobFlowOperator,
    EmrTerminateJobFlowOperator,
)
from airflow.providers.amazon.aws.operators.sagemaker import (
    SageMakerEndpointConfigOperator,
    SageMakerEndpointOperator,
    SageMakerModelOperator,
    SageMakerTrainingOperator,
)
from airflow.providers.amazon.aws.sensors.emr import EmrJobFlowSensor, EmrStepSensor
from airflow.sdk import chain, dag

from sagemaker_emr.flights import HISTORY_DAYS
from sagemaker_emr.names import to_tag_list
from sagemaker_emr.params import RETRIES
from sagemaker_emr.partitions import xgboost_image

REGION = "us-east-1"
RUN_TAG = to_tag_list({"sagemaker-emr:run": "{{ run_id }}"})
NAME = "{{ run_id | replace('_', '-') }}"

JOB_FLOW = {
    "Name": NAME,
    "ReleaseLabel": "emr-7.8.0",
    "Applications": [{"Name": "Spark"}],
    "Instances": {
        "InstanceGroups": [
            {"Name": "Master", "InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
            {"Name": "Core", "InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 2},
        ],
        "KeepJobFlowAliveWhenNoSteps": True,
        "Ec2SubnetId": "{{ params.PrivateSubnetId }}",
        "EmrManagedMasterSecurityGroup": "{{ params.EmrMasterSecurityGroupId }}",
        "EmrManagedSlaveSecurityGroup": "{{ params.EmrCoreSecurityGroupId }}",
        "ServiceAccessSecurityGroup": "{{ params.EmrServiceAccessSecurityGroupId }}",
    },
    "JobFlowRole": "EMR_EC2_DefaultRole",
    "ServiceRole": "EMR_DefaultRole",
    "VisibleToAllUsers": True,
    "Tags": RUN_TAG,
}
FEATURES = "s3://{{ params.FeaturesBucket }}/flights"


def _step(name: str, first: str, last: str) -> dict[str, Any]:
    arguments = [
        *("spark-submit", "s3://{{ params.ArtifactsBucket }}/prepare_features.py"),
        *("--raw", "s3://{{ params.RawBucket }}", "--features", FEATURES, "--from", first, "--to", last),
        *("--history-days", str(HISTORY_DAYS), "--batch-name", f"{NAME}-{name}", "--code-hash", "stock"),
    ]
    return {
        "Name": name,
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": arguments},
    }


STEPS = [
    _step("train", "{{ params.first_day }}", "{{ params.training_end_date }}"),
    _step("evaluation", "{{ params.last_day }}", "{{ params.last_day }}"),
]


def _channel(name: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"{FEATURES}/_data/{NAME}-{name}/",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "ChannelName": name,
        "ContentType": "application/x-parquet",
        "DataSource": {"S3DataSource": source},
    }


CODE = "s3://{{ params.ArtifactsBucket }}/sourcedir.tar.gz"
TRAINING = {
    "TrainingJobName": NAME,
    "AlgorithmSpecification": {"TrainingImage": xgboost_image(REGION), "TrainingInputMode": "File"},
    "RoleArn": "{{ params.ExecutionRoleArn }}",
    "HyperParameters": {"sagemaker_program": "train.py", "sagemaker_submit_directory": CODE},
    "InputDataConfig": [_channel("train"), _channel("evaluation")],
    "OutputDataConfig": {"S3OutputPath": "s3://{{ params.ArtifactsBucket }}/training"},
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "Tags": RUN_TAG,
}
MODEL = {
    "ModelName": NAME,
    "ExecutionRoleArn": "{{ params.ExecutionRoleArn }}",
    "PrimaryContainer": {
        "Image": xgboost_image(REGION),
        "ModelDataUrl": "{{ ti.xcom_pull('train_model')['Training']['ModelArtifacts']['S3ModelArtifacts'] }}",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": CODE},
    },
}
VARIANT = {
    "VariantName": "AllTraffic",
    "ModelName": NAME,
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 1,
}


@dag(doc_md=__doc__, schedule=None, catchup=False, default_args=RETRIES)
def stock_chain() -> None:
    create_cluster = EmrCreateJobFlowOperator(
        task_id="create_cluster", job_flow_overrides=JOB_FLOW, emr_conn_id=None
    )
    cluster_id = create_cluster.output
    wait_for_cluster = EmrJobFlowSensor(
        task_id="wait_for_cluster", job_flow_id=cluster_id, target_states=["RUNNING", "WAITING"]
    )
    add_steps = EmrAddStepsOperator(task_id="add_steps", job_flow_id=cluster_id, steps=STEPS)
    wait_for_step = EmrStepSensor(
        task_id="wait_for_step", job_flow_id=cluster_id, step_id="{{ ti.xcom_pull('add_steps')[-1] }}"
    )
    terminate_cluster = EmrTerminateJobFlowOperator(
        task_id="terminate_cluster", job_flow_id=cluster_id
    ).as_teardown(setups=create_cluster, on_failure_fail_dagrun=True)
    train_model = SageMakerTrainingOperator(task_id="train_model", config=TRAINING)
    create_model = SageMakerModelOperator(task_id="create_model", config=MODEL)
    create_config = SageMakerEndpointConfigOperator(
        task_id="create_config", config={"EndpointConfigName": NAME, "ProductionVariants": [VARIANT]}
    )
    deploy_model = SageMakerEndpointOperator(
        task_id="deploy_model", config={"EndpointName": "stock", "EndpointConfigName": NAME}
    )
    chain(create_cluster, wait_for_cluster, add_steps, wait_for_step, terminate_cluster)
    chain(wait_for_step, train_model, create_model, create_config, deploy_model)


stock_chain()
