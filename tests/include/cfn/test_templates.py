"""The templates against the reference scenario, before anything is deployed."""

from __future__ import annotations

from pathlib import Path

import pytest
from cfnlint import api, core
from cfnlint.decode import cfn_yaml

TEMPLATES = sorted((Path(__file__).resolve().parents[3] / "include" / "cfn").glob("*.yaml"))
REGIONS = ["us-east-1", "cn-north-1", "us-gov-west-1"]


def load(name):
    return cfn_yaml.load(str(next(path for path in TEMPLATES if path.stem == name)))


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_template_is_valid_in_every_partition(template, region):
    findings = api.lint(template.read_text(), rules=core.get_rules([], [], ["W"]), regions=[region])
    assert [str(finding) for finding in findings] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_parameters_and_outputs_are_described(template):
    document = cfn_yaml.load(str(template))
    for part in ("Parameters", "Outputs"):
        for name, value in document[part].items():
            assert value.get("Description"), f"{template.stem}: {part}.{name}"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_no_partition_is_written_into_an_arn(template):
    assert "arn:aws" not in template.read_text()


def test_studio_runs_in_the_customers_vpc():
    domain = load("studio")["Resources"]["Domain"]["Properties"]
    assert domain["AppNetworkAccessType"] == "VpcOnly"
    assert domain["AuthMode"] == "IAM"


def test_the_execution_role_has_the_five_statements_of_the_scenario():
    policies = load("studio")["Resources"]["ExecutionRole"]["Properties"]["Policies"]
    policy = next(p for p in policies if p["PolicyName"] == "AllowSagemakerProjectManagement")
    assert [s["Sid"] for s in policy["PolicyDocument"]["Statement"]] == [
        "AllowPresignedUrl",
        "AllowClusterDetailsDiscovery",
        "AllowClusterDiscovery",
        "AllowSagemakerProjectManagement",
        "AllowEMRTemplateDiscovery",
    ]


def test_studio_and_airflow_reach_livy_on_the_master():
    resources = load("network")["Resources"]
    sources = {
        rule["Properties"]["SourceSecurityGroupId"]["Ref"]
        for rule in resources.values()
        if rule["Type"] == "AWS::EC2::SecurityGroupIngress"
        and rule["Properties"]["GroupId"] == {"Ref": "EmrMasterSecurityGroup"}
        and rule["Properties"]["FromPort"] == rule["Properties"]["ToPort"] == 8998
    }
    assert sources == {"StudioSecurityGroup", "AirflowSecurityGroup"}


def test_studios_group_admits_itself():
    rule = load("network")["Resources"]["StudioFromItself"]["Properties"]
    assert rule["GroupId"] == rule["SourceSecurityGroupId"] == {"Ref": "StudioSecurityGroup"}
    assert rule["IpProtocol"] == "-1"


def test_the_product_is_visible_in_studio():
    tags = load("catalog")["Resources"]["Product"]["Properties"]["Tags"]
    assert {"Key": "sagemaker:studio-visibility:emr", "Value": "true"} in tags


def test_emrs_default_roles_stay_when_the_stack_goes():
    resources = load("catalog")["Resources"]
    for name in ("EmrServiceRole", "EmrInstanceRole", "EmrInstanceProfile"):
        assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resources[name]["Condition"] == "CreateEmrDefaultRoles"


def test_a_cluster_nobody_ends_ends_itself():
    cluster = load("emr_product")["Resources"]["Cluster"]["Properties"]
    assert cluster["AutoTerminationPolicy"] == {"IdleTimeout": {"Ref": "IdleTimeoutSeconds"}}
    assert cluster["Instances"]["TerminationProtected"] is False


def test_every_bucket_is_encrypted_private_and_tls_only():
    resources = load("storage")["Resources"]
    buckets = {name: r for name, r in resources.items() if r["Type"] == "AWS::S3::Bucket"}
    assert set(buckets) == {"RawBucket", "FeaturesBucket", "ArtifactsBucket"}
    for name, bucket in buckets.items():
        assert bucket["Properties"]["BucketEncryption"]
        assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values())
        statement = resources[f"{name}Policy"]["Properties"]["PolicyDocument"]["Statement"][0]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
