"""Airflow's two roles: IAM is enforced for them, and they hold nothing without a reason."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore import xform_name

from sagemaker_emr import staging
from tests.dags.inhabitants import inhabit, make_airflow_roles
from tests.dags.runs import play
from tests.local_aws.conftest import REGION

pytestmark = [pytest.mark.local_aws, pytest.mark.usefixtures("airflow_user")]

PLUGIN = Path(staging.__file__).parent
TEMPLATES = staging.INCLUDE / "cfn"
FORM = {"user_profiles": ["ada"]}
END = {"confirm": "dev", "end_clusters": True, "delete_home_file_system": True, "delete_buckets": True}
ACTION = re.compile(r"^\s+(?:- |Action: )([a-z-]+:[A-Za-z*]+)( +# .+)?$", re.MULTILINE)

CHAIN = {
    "hooks/emr.py": "emr",
    "hooks/logs.py": "logs",
    "hooks/resource_groups_tagging.py": "resourcegroupstaggingapi",
    "hooks/s3.py": "s3",
    "hooks/sagemaker.py": "sagemaker",
    "hooks/sagemaker_studio.py": "sagemaker",
    "hooks/service_catalog.py": "servicecatalog",
    "operators/sagemaker_endpoint.py": "sagemaker",
    "operators/sagemaker_model.py": "sagemaker",
    "orphan_leftovers.py": "sagemaker",
    "orphan_search.py": "s3",
    "studio_health.py": "sagemaker",
    "triggers/sagemaker_endpoint.py": "sagemaker",
    "triggers/sagemaker_project.py": "sagemaker",
    "triggers/sagemaker_training.py": "sagemaker",
}
"""What the DAGs of the chain, of clusters and of Studio call, and whose client ``conn`` is."""

NOT_ASKED = {
    "delete_app",
    "delete_space",
    "delete_user_profile",
    "describe_space",
    "search",  # re's
    "describe_product_as_admin",
    "enable_sagemaker_servicecatalog_portfolio",
    "get_sagemaker_servicecatalog_portfolio_status",
    "list_portfolios_for_product",
    "list_principals_for_portfolio",
}
"""Called by deploy_platform, and to explain a missing launch path, which goes without where it is refused."""

OURS = {
    "Bucket": "sagemaker-emr-dev-storage-x",
    "Key": "x",
    "ModelName": "sagemaker-emr-dev-x",
    "StackName": "sagemaker-emr-dev-storage",
    "logGroupName": "/aws/sagemaker/TrainingJobs",
}


@pytest.fixture
def roles(local_aws):
    """The outputs of the two roles' stack."""
    return make_airflow_roles(local_aws, "dev", local_aws("sts").get_caller_identity()["Arn"])


@pytest.fixture
def run_as(dags, boundary, monkeypatch):
    """``run_as(role_arn, dag_id, form)``: a whole run, Airflow's connection assuming the role."""

    def execute(role_arn: str, dag_id: str, form: dict[str, Any]) -> None:
        extra = {"role_arn": role_arn, "region_name": REGION}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "extra": extra}))
        play(dags[dag_id], form, on_task=boundary.on_task)

    return execute


def session_client(role_arn, service):
    """A client with the credentials of an assumed role."""
    key = boto3.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test")["Credentials"]
    return boto3.client(
        service,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["SessionToken"],
    )


def test_the_platform_role_carries_an_environment_from_its_deployment_to_its_end(
    roles, run_as, local_aws, boundary, endpoint_url
):
    platform, chain = roles["PlatformRoleArn"], roles["ChainRoleArn"]
    form = {**FORM, "airflow_principal_arn": chain}
    run_as(platform, "deploy_platform", form)
    run_as(platform, "deploy_platform", {**form, "create_interface_endpoints": True})
    inhabit(local_aws, boundary, session_client(chain, "servicecatalog"))
    run_as(platform, "check_platform", {})
    run_as(chain, "list_clusters", {})
    run_as(chain, "open_studio", {"user_profile_name": "ada"})
    run_as(platform, "deploy_platform", {**form, "user_profiles": []})
    run_as(platform, "destroy_platform", END)

    made = requests.get(f"{endpoint_url}/_local/authorizations", timeout=10).json()
    # A stack operation that a former test left may still be refused for a role that is no more.
    denied = [one for one in made if not one["allowed"] and one["role"] in (platform, chain)]
    used = {one["action"] for one in made if one["role"] == platform}
    text = (TEMPLATES / "airflow_roles.yaml").read_text()
    held = ACTION.findall(text[text.index("  PlatformRole:") : text.index("  ChainRole:")])
    # A handler of CloudFormation may ask for more than the embedded one does.
    may_use = used | handler_permissions()
    idle = [
        action
        for action, why in held
        if not why and action != "sts:AssumeRole" and not fnmatch.filter(may_use, action)
    ]
    assert (denied, idle) == ([], [])


def handler_permissions():
    """What the schemas of the platform's resource types say that their handlers may need."""
    from local_aws.cloudformation import schemas

    types = set()
    for template in TEMPLATES.glob("*.yaml"):
        types |= set(re.findall(r"^    Type: (AWS::\S+)$", template.read_text(), re.MULTILINE))
    return {
        action.replace("efs:", "elasticfilesystem:")
        for kind in types
        for verb in ("create", "read", "update", "delete")
        for action in schemas.permissions(REGION, kind, verb)
    }


@pytest.mark.parametrize(
    ("module", "service"), [*CHAIN.items(), ("orphan_leftovers.py", "s3")], ids=lambda value: value
)
def test_the_chain_role_may_ask_for_whatever_its_code_asks_for(roles, module, service):
    from local_aws.iam.authorization import Place, needed
    from local_aws.iam.evaluation import decision
    from local_aws.servicecatalog.permissions import role_by_arn

    place = Place("123456789012", REGION, "aws")
    role = role_by_arn(roles["ChainRoleArn"], place.account_id, REGION)
    model = boto3.client(service).meta.service_model
    names = {xform_name(name): name for name in model.operation_names}
    # As attributes of a client, or as the names of its methods.
    words = set(re.findall(r"[a-z_]+", (PLUGIN / module).read_text()))
    operations = {name for method, name in names.items() if method in words - NOT_ASKED}
    context = {"aws:RequestedRegion": REGION, "servicecatalog:accountLevel": "self"}
    denied = sorted(
        f"{need.action} on {need.resource}"
        for operation in operations
        for need in needed(service, operation, OURS, place)
        if decision(role, need.action, need.resource, {**context, **dict(need.context)}) != "allowed"
    )
    assert operations
    assert denied == []


def test_a_role_is_refused_what_it_does_not_hold_in_awss_words(roles):
    chain = roles["ChainRoleArn"]
    s3, iam, emr = (session_client(chain, service) for service in ("s3", "iam", "emr"))
    with pytest.raises(s3.exceptions.ClientError, match=r"AccessDenied.*s3:CreateBucket"):
        s3.create_bucket(Bucket="sagemaker-emr-dev-mine")
    with pytest.raises(
        iam.exceptions.ClientError, match=r"assumed-role/.*/test is not authorized to perform: iam"
    ):
        iam.list_roles()
    with pytest.raises(emr.exceptions.ClientError, match=r"AccessDeniedException.*RunJobFlow"):
        emr.run_job_flow(Name="mine", Instances={})
    assert session_client(chain, "sts").get_caller_identity()["Arn"].endswith("/test")
