"""The templates against the reference scenario, before anything is deployed."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from cfnlint import api, core
from cfnlint.decode import cfn_yaml

from sagemaker_emr import partitions
from sagemaker_emr.checks.execution_role_statements import STATEMENTS
from sagemaker_emr.params import ENVIRONMENT

TEMPLATES = sorted((Path(__file__).resolve().parents[3] / "include" / "cfn").glob("*.yaml"))
REGIONS = ["us-east-1", "cn-north-1", "us-gov-west-1"]


def load(name):
    return cfn_yaml.load(str(next(path for path in TEMPLATES if path.stem == name)))


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_template_is_valid_in_every_partition(template, region):
    findings = api.lint(template.read_text(), rules=core.get_rules([], [], ["W", "I"]), regions=[region])
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


def test_no_environments_names_hold_anothers():
    """With a hyphen in it, what the roles of ``dev`` may do would hold for ``dev-two``."""
    stems = ("airflow_roles", "catalog", "network", "platform", "storage", "studio", "user_profile")
    patterns = [load(stem)["Parameters"]["Environment"]["AllowedPattern"] for stem in stems]
    for pattern in [ENVIRONMENT["environment"].schema["pattern"], *patterns]:
        assert re.fullmatch(pattern, "dev2")
        assert not re.fullmatch(pattern, "dev-two")


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


def test_each_statement_of_the_execution_role_is_one_that_check_platform_simulates():
    policies = load("studio")["Resources"]["ExecutionRole"]["Properties"]["Policies"]
    granted = {
        (policy["PolicyName"], statement["Sid"]): set(_texts(statement["Action"]))
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
    }
    assert granted == {(one.policy, one.sid): set(one.actions) for one in STATEMENTS}


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


@pytest.mark.parametrize("region", REGIONS)
def test_the_endpoints_are_those_of_the_table_of_partitions_with_their_names(region):
    prefix = partitions.partition_of(region).private_link_prefix
    named = {
        resource["Properties"]["ServiceName"]["Fn::Sub"]
        .replace("${AWS::Region}", region)
        .replace("${PrivateLinkPrefix}", prefix)
        for resource in load("network")["Resources"].values()
        if resource["Type"] == "AWS::EC2::VPCEndpoint"
    }
    assert named == {partitions.endpoint_service(service, region) for service in partitions.ENDPOINT_SERVICES}


@pytest.mark.parametrize("template", ["network", "platform"])
def test_a_form_offers_the_prefixes_of_the_table_of_partitions(template):
    parameter = load(template)["Parameters"]["PrivateLinkPrefix"]
    assert set(parameter["AllowedValues"]) == {
        one.private_link_prefix for one in partitions.PARTITIONS.values()
    }
    assert parameter["Default"] == partitions.PARTITIONS["aws"].private_link_prefix


@pytest.mark.parametrize("region", REGIONS)
def test_roles_trust_services_as_the_table_of_partitions_says(region):
    suffix = partitions.partition_of(region).url_suffix
    for template in TEMPLATES:
        for name, resource in cfn_yaml.load(str(template))["Resources"].items():
            if resource["Type"] != "AWS::IAM::Role" or template.stem == "airflow_roles":
                continue
            principal = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
            service = principal["Service"]
            if isinstance(service, dict):
                service = service["Fn::Sub"].replace("${AWS::URLSuffix}", suffix)
            known = partitions.service_principal(service.split(".")[0], region)
            assert service == known, f"{template.stem}: {name}"


@pytest.mark.parametrize("region", REGIONS)
def test_roles_are_passed_to_services_as_the_table_of_partitions_says(region):
    patterns = [
        pattern
        for statement in _statements("airflow_roles")
        for pattern in _texts(statement.get("Condition", {}).get("StringLike", {}).get("iam:PassedToService"))
        + _texts(statement.get("Condition", {}).get("StringEquals", {}).get("iam:PassedToService"))
    ]
    assert patterns
    for pattern in patterns:
        principal = partitions.service_principal(pattern.split(".")[0], region)
        assert fnmatchcase(principal, pattern), f"{principal} is not {pattern}"


def _statements(template):
    for resource in load(template)["Resources"].values():
        for policy in resource["Properties"].get("Policies", []):
            yield from policy["PolicyDocument"]["Statement"]
        yield from resource["Properties"].get("PolicyDocument", {}).get("Statement", [])


def _texts(value):
    return [value] if isinstance(value, str) else list(value or [])


def test_inline_policies_fit_into_a_role():
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    for template in TEMPLATES:
        for name, resource in cfn_yaml.load(str(template))["Resources"].items():
            policies = resource.get("Properties", {}).get("Policies", [])
            size = sum(len(json.dumps(p["PolicyDocument"], separators=(",", ":"))) for p in policies)
            assert size <= 10_240, f"{template.stem}: {name} has {size} characters"


def test_the_root_template_passes_on_what_a_user_chooses():
    chosen = set(load("platform")["Parameters"]) - {"TemplatesUrl", "TemplatesBucket"}
    declared = {
        name
        for child in ("network", "studio", "user_profile", "airflow_roles", "catalog")
        for name in load(child)["Parameters"]
    }
    assert chosen <= declared
    for name, nested in load("platform")["Resources"].items():
        child = nested["Properties"]["TemplateURL"]["Fn::Sub"].rpartition("/")[2].removesuffix(".yaml")
        given, known = set(nested["Properties"]["Parameters"]), load(child)["Parameters"]
        required = {key for key, slot in known.items() if "Default" not in slot}
        assert required <= given <= set(known), name


def test_every_suppression_says_why():
    for template in TEMPLATES:
        for name, resource in cfn_yaml.load(str(template))["Resources"].items():
            for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                assert len(skip["comment"]) > 20, f"{template.stem}: {name}"
            # cfn-lint's own suppression has no place for a reason.
            assert "cfn-lint" not in resource.get("Metadata", {}), f"{template.stem}: {name}"


def test_the_product_is_visible_in_studio():
    tags = load("catalog")["Resources"]["Product"]["Properties"]["Tags"]
    assert {"Key": "sagemaker:studio-visibility:emr", "Value": "true"} in tags


def test_emrs_default_roles_stay_when_the_stack_goes():
    resources = load("catalog")["Resources"]
    for name in ("EmrServiceRole", "EmrInstanceRole", "EmrInstanceProfile"):
        assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resources[name]["Condition"] == "CreateEmrDefaultRoles"


def test_studio_and_its_clusters_run_in_the_same_subnet():
    exported = load("network")["Outputs"]["PrivateSubnetId"]["Export"]["Name"]
    imported = load("emr_product")["Resources"]["Cluster"]["Properties"]["Instances"]["Ec2SubnetId"]
    assert imported["Fn::ImportValue"] == exported
    given = load("platform")["Resources"]["Studio"]["Properties"]["Parameters"]["PrivateSubnetId"]
    assert given == {"Fn::GetAtt": ["Network", "Outputs.PrivateSubnetId"]}
    assert load("studio")["Resources"]["Domain"]["Properties"]["SubnetIds"] == [{"Ref": "PrivateSubnetId"}]


def test_the_product_is_the_scenarios_cluster():
    product = load("emr_product")
    parameters, cluster = product["Parameters"], product["Resources"]["Cluster"]["Properties"]
    assert parameters["ClusterName"]["Default"] == "Example_Two_Node_Cluster"
    assert {"emr-6.3.0", "emr-5.33.1"} < set(parameters["EmrRelease"]["AllowedValues"])
    assert parameters["MasterInstanceType"]["AllowedValues"] == ["m5.xlarge", "m5.2xlarge"]
    assert parameters["CoreInstanceType"]["AllowedValues"] == ["m5.xlarge", "m5.2xlarge", "m5.4xlarge"]
    assert parameters["CoreInstanceCount"]["AllowedValues"] == [2, 5, 10]
    assert {"SageMakerProjectName", "SageMakerProjectId"} < set(parameters)
    applications = {application["Name"] for application in cluster["Applications"]}
    assert applications == {"Spark", "Livy", "JupyterEnterpriseGateway", "Hive"}
    livy = {one["Classification"]: one["ConfigurationProperties"] for one in cluster["Configurations"]}
    assert livy["livy-conf"]["livy.server.session.timeout"] == "2h"
    assert livy["livy-conf"]["livy.server.recovery.mode"] == "recovery"
    assert (cluster["ServiceRole"], cluster["JobFlowRole"]) == ("EMR_DefaultRole", "EMR_EC2_DefaultRole")
    core = cluster["Instances"]["CoreInstanceGroup"]
    assert (core["Name"], core["Market"]) == ("Core", "ON_DEMAND")
    assert set(product["Outputs"]) >= {"ClusterId"}


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
