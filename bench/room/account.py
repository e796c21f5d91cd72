"""An environment of the embedded AWS with many clusters and models."""

from __future__ import annotations

import datetime
import json
from functools import partial
from typing import Any

from bench.backfill import Bench
from local_stack.settings import PROJECT, StackError

ARTIFACT = "without-livy"
AT_ONCE = 20
DAG_ID = "train_and_deploy_model"
LEFT_OUT = ("Livy", "JupyterEnterpriseGateway", "Hive")
"""Of the product's applications: without Livy a cluster needs no node of its own here, and many fit."""

Json = dict[str, Any]


def fill(bench: Bench, clusters: int, evaluations: int) -> None:
    """Launch clusters from the environment's own product, each as a run of the chain does, and judge models.

    :param bench: of a stack whose platform is deployed.
    """
    _launch(bench, clusters)
    s3, bucket = bench.client("s3"), bench.outputs("storage")["ArtifactsBucket"]
    for number in range(evaluations):
        key = f"evaluations/bench-{number:03}/evaluation.json"
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(_evaluation(number)).encode())


def run_id(number: int) -> str:
    """The run that a cluster is of."""
    return f"bench__{number:04}"


def _launch(bench: Bench, count: int) -> None:
    catalog, product_id = bench.client("servicecatalog"), bench.outputs("catalog")["ProductId"]
    catalog.create_provisioning_artifact(
        ProductId=product_id,
        Parameters={
            "Name": ARTIFACT,
            "Type": "CLOUD_FORMATION_TEMPLATE",
            "Info": {"LoadTemplateFromURL": _template(bench)},
        },
    )

    for first in range(0, count, AT_ONCE):
        batch = range(first, min(first + AT_ONCE, count))
        for number in batch:
            _provision(catalog, product_id, number)
        for number in batch:
            bench.until(partial(_is_available, catalog, _name(number)), _name(number))
        bench.say(f"  {batch.stop} of {count} clusters")


def _is_available(catalog: Any, name: str) -> bool:
    product = catalog.describe_provisioned_product(Name=name)["ProvisionedProductDetail"]
    if product["Status"] in ("TAINTED", "ERROR"):
        raise StackError(f"{name} could not be launched: {product.get('StatusMessage')}")
    return bool(product["Status"] == "AVAILABLE")


def _name(number: int) -> str:
    return f"bench-cluster-{number:04}"


def _provision(catalog: Any, product_id: str, number: int) -> None:
    name = _name(number)
    tags = {
        "sagemaker-emr:owner": f"user-{number % 7}",
        "sagemaker-emr:dag": DAG_ID,
        "sagemaker-emr:run": run_id(number),
    }
    parameters = {"ClusterName": name, "IdleTimeoutSeconds": "604800"}
    catalog.provision_product(
        ProductId=product_id,
        ProvisioningArtifactName=ARTIFACT,
        ProvisionedProductName=name,
        ProvisionToken=name,
        ProvisioningParameters=[{"Key": key, "Value": value} for key, value in parameters.items()],
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )


def _template(bench: Bench) -> str:
    """The product's own template but for some applications; its address."""
    s3, bucket = bench.client("s3"), bench.outputs("storage")["ArtifactsBucket"]
    script = (PROJECT / "include" / "bootstrap" / "installpylibs.sh").read_bytes()
    s3.put_object(Bucket=bucket, Key="bench/installpylibs.sh", Body=script)
    text = (PROJECT / "include" / "cfn" / "emr_product.yaml").read_text()
    for name in LEFT_OUT:
        text = text.replace(f"        - Name: {name}\n", "")
    values = {"environment": "dev", "bootstrap_script": f"s3://{bucket}/bench/installpylibs.sh"}
    for name, value in values.items():
        text = text.replace(f"@{{{name}}}", value)
    key = "bench/emr_product.yaml"
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    return f"https://{bucket}.s3.amazonaws.com/{key}"


def _evaluation(number: int) -> Json:
    day = datetime.date(2013, 2, 1) + datetime.timedelta(days=number * 3)
    return {
        "rmse": 16 + number % 5,
        "baseline_rmse": 19,
        "baselines": {"mean": 19, "route_mean": 20},
        "evaluation_rows": 10,
        "training_rows": 100,
        "evaluation_dates": [day.isoformat()],
        "training_dates": [(day - datetime.timedelta(days=3)).isoformat()],
    }
