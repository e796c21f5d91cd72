"""An account with one of each kind of orphan, and of each kind of what must stay.

The catalog's product makes a cluster with Spark alone, which needs no node of its own here. Storage is the
real stack; of the catalog's only the outputs are needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sagemaker_emr import names, staging
from sagemaker_emr.claims import Claim
from sagemaker_emr.leases import Holder, Lease, SharedCluster
from tests.dags.inhabitants import IMAGE, make_stack, outputs_of_all, until
from tests.local_aws.emr.conftest import (
    INSTANCE_PROFILE,
    SERVICE_ROLE,
    make_default_roles,
    parameters,
)
from tests.local_aws.servicecatalog.conftest import Catalog, allow_launch

ACCOUNT, REGION, ENV = "123456789012", "us-east-1", "dev"
DAG, PROVIDER = "train_and_deploy_model", "provide_shared_cluster"
OLD_HOURS = 97
RUNS = {
    (DAG, "ended"): {"state": "failed", "tasks": {"terminate_cluster": "failed"}},
    (DAG, "live"): {"state": "running"},
    (DAG, "cleared"): {"state": "queued"},
    (DAG, "tearing-down"): {"state": "failed", "tasks": {"terminate_cluster": "deferred"}},
}
"""What Airflow knows."""

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
NODE = {"InstanceType": "m5.xlarge", "InstanceCount": 1}
CLUSTER_TEMPLATE = {
    "Parameters": {
        "ClusterName": {"Type": "String", "Default": "unnamed"},
        "Purpose": {"Type": "String", "Default": "logs"},
        "Protected": {"Type": "String", "Default": "false"},
    },
    "Resources": {
        "Cluster": {
            "Type": "AWS::EMR::Cluster",
            "Properties": {
                "Name": {"Ref": "ClusterName"},
                "ReleaseLabel": "emr-7.8.0",
                "Applications": [{"Name": "Spark"}],
                "ServiceRole": SERVICE_ROLE,
                "JobFlowRole": INSTANCE_PROFILE,
                "Instances": {
                    "KeepJobFlowAliveWhenNoSteps": True,
                    "TerminationProtected": {"Ref": "Protected"},
                    "MasterInstanceGroup": NODE,
                    "CoreInstanceGroup": NODE,
                },
                "Tags": [{"Key": "sagemaker-emr:environment", "Value": ENV}],
            },
        }
    },
    "Outputs": {"ClusterId": {"Value": {"Ref": "Cluster"}}},
}

Client = Callable[[str], Any]


class Account:
    """Makes things, and tells which are there."""

    def __init__(self, client: Client, catalog: Catalog, template_url: Callable[[str, str], str]) -> None:
        self.client = client
        self.catalog = catalog
        self.products = catalog.servicecatalog
        make_default_roles(client("iam"))
        allow_launch(client("iam"), "elasticmapreduce:*", "iam:PassRole")
        client("iam").create_role(RoleName="ExecutionRole", AssumeRolePolicyDocument=json.dumps(TRUST))
        self.foreign_product = self._product("foreign", template_url)
        self.product = self._product("clusters", template_url)
        self.stack("storage", (staging.INCLUDE / "cfn" / "storage.yaml").read_text(), Environment=ENV)
        made = {"Gateway": {"Type": "AWS::EC2::InternetGateway"}}
        outputs = {"ProductId": {"Value": self.product}}
        self.stack("catalog", json.dumps({"Resources": made, "Outputs": outputs}))
        self.outputs = outputs_of_all(client)
        self.bucket = self.outputs["ArtifactsBucket"]
        client("s3").put_object(Bucket=self.bucket, Key="model.tar.gz", Body=b"no archive")

    def _product(self, name: str, template_url: Callable[[str, str], str]) -> str:
        made = self.products.create_product(
            Name=name,
            Owner="Platform",
            ProductType="CLOUD_FORMATION_TEMPLATE",
            ProvisioningArtifactParameters={
                "Name": "v1",
                "Type": "CLOUD_FORMATION_TEMPLATE",
                "Info": {"LoadTemplateFromURL": template_url(f"{name}.json", json.dumps(CLUSTER_TEMPLATE))},
            },
        )
        product_id: str = made["ProductViewDetail"]["ProductViewSummary"]["ProductId"]
        self.products.associate_product_with_portfolio(
            ProductId=product_id, PortfolioId=self.catalog.portfolio_id
        )
        role = self.client("iam").get_role(RoleName="LaunchRole")["Role"]["Arn"]
        self.products.create_constraint(
            PortfolioId=self.catalog.portfolio_id,
            ProductId=product_id,
            Type="LAUNCH",
            Parameters=json.dumps({"RoleArn": role}),
        )
        return product_id

    def stack(self, concern: str, template: str, **values: str) -> None:
        """Make a stack and wait."""
        make_stack(self.client, names.stack_name(ENV, concern), template, **values)

    def launch(
        self,
        name: str,
        tags: dict[str, str] | None = None,
        *,
        product: str | None = None,
        age_hours: float = 1.0,
        protected: bool = False,
    ) -> str:
        """Provision a product and wait; its record's state."""
        values = {"ClusterName": name, "Protected": str(protected).lower()}
        record = self.products.provision_product(
            ProductId=product or self.product,
            ProvisioningArtifactName="v1",
            ProvisionedProductName=name,
            ProvisionToken=name,
            ProvisioningParameters=[{"Key": key, "Value": value} for key, value in values.items()],
            Tags=names.to_tag_list(tags or {}),
        )["RecordDetail"]
        ended, _ = self.catalog.ended(record["RecordId"])
        self.age(name, age_hours)
        return str(ended["Status"])

    def launch_of(
        self, run_id: str, dag_id: str = DAG, *, claimed: bool = True, tagged: bool = True, **how: Any
    ) -> str:
        """A run's cluster; its product's name."""
        claim = Claim(ENV, dag_id, run_id, state="requested")
        if claimed:
            digest = names.digest(claim.purpose, ENV, dag_id, run_id)
            self.put(f"claims/{ENV}/{digest}.json", claim.to_json())
        tags = names.tags(ENV, owner="airflow", dag_id=dag_id, run_id=run_id) if tagged else {}
        self.launch(claim.product_name, tags, **how)
        return claim.product_name

    def put(self, key: str, value: Any) -> None:
        """Write a document into the artifacts bucket."""
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=json.dumps(value).encode())

    def lease(self, name: str, holders: tuple[str, ...] = ()) -> str:
        """An open lease with its cluster; the id of the run that provides it."""
        held = {run_id: Holder(number, DAG, run_id) for number, run_id in enumerate(holders, 1)}
        lease = Lease(ENV, name, "20261126T000000Z", cluster=SharedCluster("j-1", 2), holders=held)
        self.put(f"leases/{ENV}/{name}.json", lease.to_json())
        return lease.provider_run_id

    def stored_lease(self, name: str) -> Lease:
        """As it is now."""
        body = self.client("s3").get_object(Bucket=self.bucket, Key=f"leases/{ENV}/{name}.json")["Body"]
        return Lease.from_json(json.loads(body.read()))

    def cluster_of(self, product: str) -> str:
        """The id of a product's cluster."""
        outputs = self.products.get_provisioned_product_outputs(ProvisionedProductName=product)["Outputs"]
        return str(next(one["OutputValue"] for one in outputs if one["OutputKey"] == "ClusterId"))

    def end_cluster(self, cluster_id: str) -> None:
        """As its auto-termination policy does."""
        emr = self.client("emr")
        emr.terminate_job_flows(JobFlowIds=[cluster_id])
        until(
            lambda: str(emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"]),
            *("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING"),
        )

    def lose_product(self, name: str) -> str:
        """The product goes and leaves its cluster behind; its cluster's id."""
        cluster_id = self.cluster_of(name)
        self.products.terminate_provisioned_product(
            ProvisionedProductName=name, TerminateToken=name, RetainPhysicalResources=True
        )
        until(lambda: "there" if name in self.living_products() else "gone", "there")
        return cluster_id

    def project(self, name: str, age_hours: float) -> None:
        """What Studio's "Create cluster" makes."""
        sagemaker = self.client("sagemaker")
        sagemaker.create_project(
            ProjectName=name, ServiceCatalogProvisioningDetails={"ProductId": self.product}
        )
        until(lambda: str(sagemaker.describe_project(ProjectName=name)["ProjectStatus"]), "CreateInProgress")
        found = sagemaker.describe_project(ProjectName=name)["ServiceCatalogProvisionedProductDetails"]
        self.age(found["ProvisionedProductId"], age_hours)

    def cluster_outside(self, tags: dict[str, str]) -> str:
        """A cluster that no catalog launched."""
        made = parameters(Name="by hand", Tags=names.to_tag_list(tags))
        return str(self.client("emr").run_job_flow(**made)["JobFlowId"])

    def model(self, name: str, age_hours: float, tagged: bool = True, config: bool = True) -> str:
        """A model and a configuration of the same name."""
        sagemaker, archive = self.client("sagemaker"), f"s3://{self.bucket}/model.tar.gz"
        tags = names.to_tag_list(names.tags(ENV, dag_id=DAG, run_id="ended")) if tagged else []
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/ExecutionRole",
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": archive,
                "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": archive},
            },
            Tags=tags,
        )
        if config:
            variant = {"VariantName": "all", "ModelName": name, "InstanceType": "ml.m5.large"}
            sagemaker.create_endpoint_config(
                EndpointConfigName=name,
                ProductionVariants=[{**variant, "InitialInstanceCount": 1}],
                Tags=tags,
            )
        self.age(name, age_hours)
        return name

    def serve(self, config: str) -> None:
        """An endpoint of that configuration; it fails, its model being no archive, and stays."""
        sagemaker = self.client("sagemaker")
        sagemaker.create_endpoint(EndpointName="delay", EndpointConfigName=config)
        until(lambda: str(sagemaker.describe_endpoint(EndpointName="delay")["EndpointStatus"]), "Creating")

    def upload(self, key: str, age_hours: float) -> str:
        """A multipart upload that is neither completed nor aborted; its id."""
        made = self.client("s3").create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        self.age(made, age_hours)
        return str(made)

    def age(self, name: str, hours: float) -> None:
        """Let what has this name or id be older, as only time does on AWS."""
        from moto.emr.models import emr_backends
        from moto.s3.models import s3_backends
        from moto.sagemaker.models import sagemaker_backends
        from moto.servicecatalog.models import servicecatalog_backends

        span, hosting = timedelta(hours=hours), sagemaker_backends[ACCOUNT][REGION]
        for product in servicecatalog_backends[ACCOUNT][REGION].provisioned.values():
            if name in (product.name, product.id):
                product.created -= span
        for served in (hosting._models, hosting.endpoint_configs):
            if name in served:
                served[name].creation_time -= span
        for bucket in s3_backends[ACCOUNT]["aws"].buckets.values():
            if name in bucket.multiparts:
                bucket.multiparts[name].initiated -= span
        for cluster in emr_backends[ACCOUNT][REGION].clusters.values():
            if cluster.id == name:
                cluster.created -= span

    # What there is

    def living_products(self) -> dict[str, str]:
        """The state of each product, by name."""
        found = self.products.search_provisioned_products(
            AccessLevelFilter={"Key": "Account", "Value": "self"}
        )
        return {one["Name"]: one["Status"] for one in found["ProvisionedProducts"]}

    def living_clusters(self) -> dict[str, str]:
        """The name of each cluster that has not ended, by id."""
        states = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
        found = self.client("emr").list_clusters(ClusterStates=states)["Clusters"]
        return {one["Id"]: one["Name"] for one in found}

    def snapshot(self) -> dict[str, Any]:
        """Everything that may end."""
        sagemaker, s3 = self.client("sagemaker"), self.client("s3")
        configs = sagemaker.list_endpoint_configs()["EndpointConfigs"]
        uploads = s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        leases = s3.list_objects_v2(Bucket=self.bucket, Prefix="leases/").get("Contents", [])
        return {
            "products": self.living_products(),
            "clusters": self.living_clusters(),
            "models": sorted(one["ModelName"] for one in sagemaker.list_models()["Models"]),
            "configs": sorted(one["EndpointConfigName"] for one in configs),
            "endpoints": sorted(one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]),
            "projects": sorted(one["ProjectName"] for one in sagemaker.list_projects()["ProjectSummaryList"]),
            "uploads": sorted(one["UploadId"] for one in uploads),
            "leases": {one["Key"]: one["ETag"] for one in leases},
        }
