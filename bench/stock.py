"""What the control's DAG is configured with: a cluster like the shared one, and the same code and data."""

from __future__ import annotations

from bench.backfill import Bench
from local_stack.api import Json
from local_stack.settings import PROJECT

CODE_FOLDER = "bench/spark"


def configuration(bench: Bench, shared_cluster_id: str, code_hash: str, region: str) -> Json:
    """The configuration of the control's backfills, but for what tells them apart.

    The code is uploaded here, once, as its user would have done beforehand.

    :param shared_cluster_id: the cluster to be like.
    :param code_hash: as the other side's manifests have it, so that they can be compared.
    """
    storage, emr = bench.outputs("storage"), bench.client("emr")
    cluster = emr.describe_cluster(ClusterId=shared_cluster_id)["Cluster"]
    groups = emr.list_instance_groups(ClusterId=shared_cluster_id)["InstanceGroups"]
    types = {group["InstanceGroupType"]: group["InstanceType"] for group in groups}
    [action] = emr.list_bootstrap_actions(ClusterId=shared_cluster_id)["BootstrapActions"]
    network = cluster["Ec2InstanceAttributes"]
    for module in (PROJECT / "include" / "spark").glob("*.py"):
        bench.client("s3").put_object(
            Bucket=storage["ArtifactsBucket"], Key=f"{CODE_FOLDER}/{module.name}", Body=module.read_bytes()
        )
    return {
        "release": cluster["ReleaseLabel"],
        "master_instance_type": types["MASTER"],
        "core_instance_type": types["CORE"],
        "subnet": network["Ec2SubnetId"],
        "master_security_group": network["EmrManagedMasterSecurityGroup"],
        "core_security_group": network["EmrManagedSlaveSecurityGroup"],
        "service_access_security_group": network["ServiceAccessSecurityGroup"],
        "bootstrap_script": action["ScriptPath"],
        "python_packages": action["Args"][1],
        "log_uri": cluster["LogUri"],
        "code": f"s3://{storage['ArtifactsBucket']}/{CODE_FOLDER}",
        "code_hash": code_hash,
        "raw": f"s3://{storage['RawBucket']}",
        "region": region,
    }


def of(configuration: Json, bucket: str, places: int) -> tuple[Json, str]:
    """The configuration of one setting, whose output no other writes, and that output's folder."""
    folder = f"stock-{places}/flights"
    own = {"features": f"s3://{bucket}/{folder}", "batch_prefix": f"stock-{places}"}
    return {**configuration, **own}, folder
