"""R9: what section 2.3 of the article reads from the consoles, as one report."""

from __future__ import annotations

import pytest

from tests.plugins.sagemaker_emr.checks.conftest import PROFILE

pytestmark = pytest.mark.local_aws


@pytest.fixture(scope="module")
def inspected(platform):
    """Rows by section, of a domain in which one app runs."""
    sagemaker, domain_id = platform.client("sagemaker"), platform.outputs["DomainId"]
    owner = {"DomainId": domain_id, "UserProfileName": PROFILE}
    sagemaker.create_app(**owner, AppType="JupyterServer", AppName="default")
    platform.until(
        lambda: sagemaker.describe_app(**owner, AppType="JupyterServer", AppName="default")["Status"],
        lambda status: status == "InService",
    )
    sections = {section.title: section.rows for section in platform.report().inspection}
    sagemaker.delete_app(**owner, AppType="JupyterServer", AppName="default")
    return sections


def test_the_domain_tells_its_network_mode_vpc_and_subnets(inspected, platform):
    (domain,) = inspected["Studio domain"]
    assert domain["Network mode"] == "VpcOnly"
    assert domain["VPC"] == inspected["VPC"][0]["VPC"] == platform.outputs["VpcId"]
    assert domain["Subnets"] == platform.outputs["PrivateSubnetId"]
    assert domain["Security groups"] == platform.outputs["StudioSecurityGroupId"]


def test_the_private_subnet_tells_its_route_to_the_nat_gateway(inspected, platform):
    private = next(
        row for row in inspected["Subnets and routes"] if row["Subnet"] == platform.outputs["PrivateSubnetId"]
    )
    (nat,) = inspected["NAT gateways"]
    assert f"0.0.0.0/0 → {nat['NAT gateway']}" in private["Routes"]
    assert nat["State"] == "available"


def test_each_endpoint_tells_its_service_and_state(inspected):
    assert "s3" in {row["Service"] for row in inspected["VPC endpoints"]}
    assert {row["State"] for row in inspected["VPC endpoints"]} == {"available"}


def test_the_file_system_tells_its_mount_targets(inspected, platform):
    (target,) = inspected["File system and mount targets"]
    assert target["File system"].startswith("fs-")
    assert (target["Its state"], target["Subnet"]) == ("available", platform.outputs["PrivateSubnetId"])


def test_studios_group_tells_the_rule_that_admits_itself(inspected, platform):
    group = platform.outputs["StudioSecurityGroupId"]
    studio = next(row for row in inspected["Security groups"] if row["Security group"] == group)
    assert group in studio["Inbound"]
    assert "0.0.0.0/0" in studio["Outbound"]


def test_interfaces_tell_their_owner_and_the_domain_they_are_for(inspected, platform):
    described = f"ENI managed by SageMaker for Studio Domain ({platform.outputs['DomainId']})"
    studios = [row for row in inspected["Network interfaces"] if described in row["Description"]]
    assert studios
    assert all(row["Owner"] for row in studios)


def test_profiles_and_apps_are_told(inspected):
    assert [row["Profile"] for row in inspected["User profiles"]] == [PROFILE]
    (app,) = inspected["Apps"]
    assert (app["App"], app["Type"], app["Profile or space"]) == ("default", "JupyterServer", PROFILE)
