"""What every play starts from: a deployed platform with raw data, and what belongs to others.

It is made once. Each play then has a copy of it, by being a fork of the process that made it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from botocore.config import Config
from botocore.exceptions import ClientError
from jinja2 import Environment

from local_aws import internal
from tests.chaos import clock, control, recorded, restart, runtimes
from tests.chaos.boundary import ENDPOINT_URL, Boundary
from tests.chaos.job import REGION

ENVIRONMENT = "dev"
FOREIGN = "ada-notebook"
"""Of what others own: a product and its cluster, a bucket and its objects, an endpoint and what it serves."""

CONTROL_DAG = Path(__file__).with_name("control_dag.py")
CREDENTIALS = {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ENDPOINT_URL": ENDPOINT_URL,
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
    "LOCAL_AWS_ENDPOINT_URL": ENDPOINT_URL,
}


@dataclass
class Ground:
    """:ivar outputs: of the platform's stacks.
    :ivar foreign_names: what no call may name.
    """

    dags: dict[str, Any]
    log: Any
    outputs: dict[str, str]
    foreign_names: list[str]
    boundary: Boundary
    home: str


def use_home(home: str) -> None:
    """Have clusters and jobs write their files there, from now on."""
    from local_aws.settings import settings

    object.__setattr__(settings, "home", Path(home))


def client(service: str) -> Any:
    """A client of the embedded AWS for the harness; its calls are not the product's."""
    return internal.client(service, REGION)


def make(home: str) -> Ground:
    """Deploy the platform with its DAG, put raw data and other people's things into the account.

    :param home: a folder for what clusters and jobs write.
    """
    from airflow.dag_processing.dagbag import DagBag
    from botocore import loaders, session

    from tests.dags.conftest import DAGS_FOLDER
    from tests.dags.inhabitants import outputs_of_all
    from tests.dags.runs import Airflow, Run

    loader = loaders.create_loader()
    session.create_loader = lambda search_path_string=None: loader
    os.environ.update(CREDENTIALS)
    use_home(home)
    front = _embedded_aws()
    dags = {**DagBag(DAGS_FOLDER).dags, **DagBag(CONTROL_DAG).dags}
    _quiet()
    clock.install()
    runtimes.install()
    control.install()
    boundary = Boundary()
    boundary.install(front)

    _one_client_each()
    _compile_templates_once()
    airflow = Airflow(dags, boundary, retry=False)
    form = {"environment": ENVIRONMENT, "user_profiles": ["ada"], "check": "never"}
    deployment = airflow.start(Run(dags["deploy_platform"], form))
    airflow.play()
    assert deployment.state == "success", deployment.states
    outputs = outputs_of_all(client)
    recorded.raw_data(client("s3"), outputs["RawBucket"])
    made = Ground(dags, front.log, outputs, _foreign(outputs), boundary, home)
    _warm_up(made)
    return made


def _one_client_each() -> None:
    """Hooks of one service share a client: making one costs as much as ten calls. A client keeps no state of
    its own but its retry quota."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

    make, made = AwsGenericHook.get_client_type, {}

    def get_client_type(hook: Any, *args: Any, **kwargs: Any) -> Any:
        key = (
            os.environ["AIRFLOW_CONN_AWS_DEFAULT"],
            hook.client_type,
            hook.region_name,
            repr(sorted(vars(hook._config or Config()).items(), key=str)),
        )
        if key not in made:
            made[key] = make(hook, *args, **kwargs)
        return made[key]

    AwsGenericHook.get_client_type = get_client_type


def _compile_templates_once() -> None:
    """Jinja compiles a template each time that it is rendered; here each is compiled once for all plays."""
    compiled, compile_ = {}, Environment.compile

    def compile_once(self: Any, source: Any, *args: Any, **kwargs: Any) -> Any:
        key = type(self), source, args, tuple(kwargs.items())
        if key not in compiled:
            compiled[key] = compile_(self, source, *args, **kwargs)
        return compiled[key]

    Environment.compile = compile_once


def _warm_up(ground: Ground) -> None:
    """Play each scenario once and undo it: botocore and moto read their models, which every fork then has."""
    from tests.chaos.livy import Livy
    from tests.chaos.scenarios import WITH_CONTROL
    from tests.dags.runs import Airflow

    undo = [_undo_buckets(ground.outputs), *map(_undo_backend, ("sagemaker", "emr"))]
    for scenario in WITH_CONTROL.values():
        airflow = Airflow(ground.dags, ground.boundary)
        scenario.start(airflow, ground, "warm-up")
        airflow.play()
        states = {run.run_id: run.state for run in airflow.runs.values()}
        assert set(states.values()) == {"success"}, [
            (run.run_id, run.errors) for run in airflow.runs.values()
        ]
        for one in undo:
            one()
        Livy.applications.clear()


def _undo_buckets(outputs: dict[str, str]) -> Callable[[], None]:
    s3, buckets = client("s3"), (outputs["FeaturesBucket"], outputs["ArtifactsBucket"])

    def keys(bucket: str) -> set[str]:
        return {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}

    before = {bucket: keys(bucket) for bucket in buckets}

    def undo() -> None:
        for bucket in buckets:
            for key in keys(bucket) - before[bucket]:
                s3.delete_object(Bucket=bucket, Key=key)

    return undo


def _undo_backend(service: str) -> Callable[[], None]:
    """Put back what a backend of moto holds by name."""
    from moto.backends import get_backend

    held = [value for value in vars(_backend(get_backend(service))).values() if isinstance(value, dict)]
    before = [dict(value) for value in held]

    def undo() -> None:
        for value, kept in zip(held, before, strict=True):
            value.clear()
            value.update(kept)

    return undo


def _quiet() -> None:
    """No logs: a play is judged by what is there. ``CHAOS_LOG`` lets them through."""
    if os.environ.get("CHAOS_LOG"):
        return
    logging.disable(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False
    )


def _embedded_aws() -> Any:
    from local_aws.iam.local_user import ACCESS_KEY_ID
    from local_aws.requests import Front, RequestLog
    from local_aws.server import application

    os.environ["AWS_ACCESS_KEY_ID"] = ACCESS_KEY_ID
    restart.prepare()
    return Front(application(), RequestLog())


def _foreign(outputs: dict[str, str]) -> list[str]:
    """A cluster that a user launched from the same catalog; a bucket and an endpoint of another team."""
    client("s3").create_bucket(Bucket=FOREIGN)
    client("s3").put_object(Bucket=FOREIGN, Key="notes.ipynb", Body=b"notes")
    _foreign_endpoint(outputs["ExecutionRoleArn"])
    return [FOREIGN, *_foreign_cluster(outputs)]


def _foreign_endpoint(role_arn: str) -> None:
    """It serves, with no tag of ours and no name like ours."""
    from tests.dags.inhabitants import IMAGE, until

    sagemaker = client("sagemaker")
    data = (recorded.FOLDER / "model.tar.gz").read_bytes()
    client("s3").put_object(Bucket=FOREIGN, Key="model.tar.gz", Body=data)
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{FOREIGN}/model.tar.gz",
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        },
    }
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": FOREIGN,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_model(ModelName=FOREIGN, ExecutionRoleArn=role_arn, PrimaryContainer=container)
    sagemaker.create_endpoint_config(EndpointConfigName=FOREIGN, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=FOREIGN, EndpointConfigName=FOREIGN)
    until(_foreign_endpoint_status, "Creating")
    assert _foreign_endpoint_status() == "InService"


def _foreign_endpoint_status() -> str:
    return str(client("sagemaker").describe_endpoint(EndpointName=FOREIGN)["EndpointStatus"])


def _foreign_cluster(outputs: dict[str, str]) -> list[str]:
    """The ids of the cluster, its product and the product's record."""
    from moto.emr.models import emr_backends

    from local_aws.emr import cluster as emr_cluster
    from tests.dags.inhabitants import until

    catalog, emr = client("servicecatalog"), client("emr")
    asked = catalog.provision_product(
        ProductId=outputs["ProductId"],
        ProvisioningArtifactName=outputs["ProvisioningArtifactName"],
        ProvisionedProductName=FOREIGN,
        ProvisionToken=FOREIGN,
    )["RecordDetail"]
    emr_cluster.WATCH_SECONDS, before = 1e6, emr_cluster.WATCH_SECONDS
    until(
        lambda: str(catalog.describe_record(Id=asked["RecordId"])["RecordDetail"]["Status"]),
        "CREATED",
        "IN_PROGRESS",
    )
    [found] = emr.list_clusters()["Clusters"]
    until(
        lambda: str(emr.describe_cluster(ClusterId=found["Id"])["Cluster"]["Status"]["State"]),
        "STARTING",
        "BOOTSTRAPPING",
        "RUNNING",
    )
    emr_cluster.WATCH_SECONDS = before
    [cluster] = [one for one in _backend(emr_backends).clusters.values() if one.id == found["Id"]]
    # Its threads do not come into a fork, and what they hold must not either.
    cluster._close_forwarder()
    cluster._livy.stop()
    cluster.__class__ = runtimes.AtRest
    return [found["Id"], asked["ProvisionedProductId"], asked["RecordId"]]


def _backend(backends: Any) -> Any:
    from moto.core import DEFAULT_ACCOUNT_ID

    return backends[DEFAULT_ACCOUNT_ID][REGION]


Look = Callable[[], Any]


def foreign_state(names: list[str]) -> dict[str, Any]:
    """What belongs to others, as it is now; of what is gone, AWS's complaint."""
    _, cluster_id, product_id, _ = names
    sagemaker = client("sagemaker")

    def product() -> Any:
        found = client("servicecatalog").describe_provisioned_product(Id=product_id)
        return [found["ProvisionedProductDetail"][name] for name in ("Status", "LastRecordId")]

    def cluster() -> Any:
        found = client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]
        return found["Status"]["State"], sorted(tag["Key"] for tag in found["Tags"])

    def objects() -> Any:
        found = client("s3").list_objects_v2(Bucket=FOREIGN).get("Contents", [])
        return [(one["Key"], one["ETag"]) for one in found]

    def endpoint() -> Any:
        found = sagemaker.describe_endpoint(EndpointName=FOREIGN)
        return [found[name] for name in ("EndpointStatus", "EndpointConfigName", "LastModifiedTime")]

    def configuration() -> Any:
        return sagemaker.describe_endpoint_config(EndpointConfigName=FOREIGN)["ProductionVariants"]

    def model() -> Any:
        return sagemaker.describe_model(ModelName=FOREIGN)["PrimaryContainer"]

    looks: list[Look] = [product, cluster, objects, endpoint, configuration, model]
    return {look.__name__: _seen(look) for look in looks}


def _seen(look: Look) -> Any:
    try:
        return look()
    except ClientError as error:
        return str(error)
