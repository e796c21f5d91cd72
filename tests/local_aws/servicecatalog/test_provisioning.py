"""Launching, watching and ending products, as AWS does it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_aws.servicecatalog.conftest import (
    BUCKET_TEMPLATE,
    DEADLINE_SECONDS,
    Catalog,
    allow_launch,
    error_of,
)

pytestmark = [pytest.mark.local_aws, pytest.mark.usefixtures("unhurried")]

Client = Callable[..., Any]


def test_provision_product_launches_the_stack(client: Client, catalog: Catalog) -> None:
    detail = catalog.provision("logs-bucket", Purpose="logs")
    assert detail["Status"] == "CREATED"
    assert detail["RecordType"] == "PROVISION_PRODUCT"
    described = catalog.servicecatalog.describe_provisioned_product(Name="logs-bucket")
    assert described["ProvisionedProductDetail"]["Status"] == "UNDER_CHANGE"

    ended, states = catalog.ended(detail["RecordId"])

    assert [state for state in ("CREATED", "IN_PROGRESS", "SUCCEEDED") if state in states] == states
    assert ended["RecordErrors"] == []
    described = catalog.servicecatalog.describe_provisioned_product(Id=detail["ProvisionedProductId"])
    assert described["ProvisionedProductDetail"]["Status"] == "AVAILABLE"
    outputs = {
        output["OutputKey"]: output["OutputValue"]
        for output in catalog.servicecatalog.describe_record(Id=detail["RecordId"])["RecordOutputs"]
    }
    assert outputs["BucketName"] == f"catalog-logs-{catalog.account_id}"
    client("s3").head_bucket(Bucket=outputs["BucketName"])
    stack = client("cloudformation").describe_stacks(StackName=outputs["CloudformationStackARN"])["Stacks"][0]
    assert stack["StackName"] == f"SC-{catalog.account_id}-{detail['ProvisionedProductId']}"
    assert stack["RoleARN"] == f"arn:aws:iam::{catalog.account_id}:role/LaunchRole"
    tags = {tag["Key"]: tag["Value"] for tag in stack["Tags"]}
    assert tags["aws:servicecatalog:provisionedProductArn"] == described["ProvisionedProductDetail"]["Arn"]
    assert tags["aws:servicecatalog:provisioningArtifactIdentifier"] == catalog.artifact_id
    assert tags["aws:servicecatalog:productArn"].endswith(f":product/{catalog.product_id}")
    assert tags["aws:servicecatalog:portfolioArn"].endswith(f":portfolio/{catalog.portfolio_id}")
    assert tags["aws:servicecatalog:provisioningPrincipalArn"]


def test_provision_product_tags_the_stack(client: Client, catalog: Catalog) -> None:
    detail = catalog.servicecatalog.provision_product(
        ProductName="Bucket",
        ProvisioningArtifactName="v1",
        ProvisionedProductName="tagged",
        ProvisionToken="tagged",
        ProvisioningParameters=[{"Key": "Purpose", "Value": "data"}],
        Tags=[{"Key": "owner", "Value": "me"}],
    )["RecordDetail"]
    assert detail["RecordTags"] == [{"Key": "owner", "Value": "me"}]
    catalog.ended(detail["RecordId"])
    stack = client("cloudformation").describe_stacks(
        StackName=f"SC-{catalog.account_id}-{detail['ProvisionedProductId']}"
    )["Stacks"][0]
    assert {"Key": "owner", "Value": "me"} in stack["Tags"]


def test_without_a_principal_there_is_no_launch_path(bare_catalog: Catalog) -> None:
    code, message = error_of(bare_catalog.provision, name="nobody", Purpose="logs")
    assert code == "ResourceNotFoundException"
    assert message == f"No launch paths found for resource: {bare_catalog.product_id}"


def test_a_token_answers_with_its_record_for_ever(catalog: Catalog) -> None:
    first = catalog.provision("once", token="same", Purpose="logs")
    assert catalog.provision("once", token="same", Purpose="logs")["RecordId"] == first["RecordId"]
    catalog.ended(first["RecordId"])
    end = catalog.servicecatalog.terminate_provisioned_product(
        ProvisionedProductName="once", TerminateToken="end"
    )["RecordDetail"]
    catalog.ended(end["RecordId"])
    assert catalog.provision("once", token="same", Purpose="logs")["RecordId"] == first["RecordId"]
    assert error_of(catalog.servicecatalog.describe_provisioned_product, Name="once")[0] == (
        "ResourceNotFoundException"
    )


def test_a_name_is_used_once(catalog: Catalog) -> None:
    catalog.provision("taken", Purpose="logs")
    assert error_of(catalog.provision, name="taken", token="other", Purpose="data") == (
        "InvalidParametersException",
        "A stack named taken already exists.",
    )


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, "Parameters: [Purpose] must have values"),
        ({"Purpose": "fun"}, "AllowedValues"),
        ({"Purpose": "logs", "Colour": "red"}, "[Colour] do not exist in the template"),
    ],
    ids=["missing", "forbidden", "undeclared"],
)
def test_bad_parameters_fail_the_record(catalog: Catalog, parameters: dict[str, str], reason: str) -> None:
    detail, _ = catalog.ended(catalog.provision("bad", **parameters)["RecordId"])
    assert detail["Status"] == "FAILED"
    assert detail["RecordErrors"][0]["Code"] == "AmazonCloudFormationException"
    assert reason in detail["RecordErrors"][0]["Description"]
    product = catalog.servicecatalog.describe_provisioned_product(Name="bad")["ProvisionedProductDetail"]
    assert product["Status"] == "ERROR"
    assert reason in product["StatusMessage"]


def test_a_rolled_back_stack_fails_the_record(catalog: Catalog) -> None:
    record = catalog.provision("clash", Purpose="logs", Versioning="Sometimes")
    detail, states = catalog.ended(record["RecordId"])
    assert "IN_PROGRESS_IN_ERROR" in states
    assert detail["Status"] == "FAILED"
    assert "ROLLBACK_COMPLETE" in detail["RecordErrors"][0]["Description"]
    assert "Bucket: " in detail["RecordErrors"][0]["Description"]
    product = catalog.servicecatalog.describe_provisioned_product(Name="clash")["ProvisionedProductDetail"]
    assert product["Status"] == "ERROR"
    assert "LastSuccessfulProvisioningRecordId" not in product


def test_a_launch_role_that_does_not_trust_service_catalog_fails_the_record(
    client: Client, catalog: Catalog
) -> None:
    iam = client("iam")
    trust = iam.get_role(RoleName="LaunchRole")["Role"]["AssumeRolePolicyDocument"]
    trust["Statement"][0]["Principal"] = {"Service": "ec2.amazonaws.com"}
    iam.update_assume_role_policy(RoleName="LaunchRole", PolicyDocument=json.dumps(trust))
    detail, _ = catalog.ended(catalog.provision("untrusted", Purpose="logs")["RecordId"])
    assert "assuming the role" in detail["RecordErrors"][0]["Description"]


def test_a_missing_permission_is_named(client: Client, catalog: Catalog) -> None:
    client("iam").delete_role_policy(RoleName="LaunchRole", PolicyName="launch")
    detail, _ = catalog.ended(catalog.provision("denied", Purpose="logs")["RecordId"])
    description = detail["RecordErrors"][0]["Description"]
    assert f"User: arn:aws:sts::{catalog.account_id}:assumed-role/LaunchRole/" in description
    assert "is not authorized to perform: cloudformation:CreateStack" in description


def test_an_explicit_deny_wins(client: Client, catalog: Catalog) -> None:
    client("iam").put_role_policy(
        RoleName="LaunchRole",
        PolicyName="deny",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {"Effect": "Deny", "Action": "cloudformation:Create*", "Resource": "*"},
            }
        ),
    )
    detail, _ = catalog.ended(catalog.provision("denied", Purpose="logs")["RecordId"])
    assert "cloudformation:CreateStack" in detail["RecordErrors"][0]["Description"]


def test_terminate_deletes_the_stack_and_the_product(client: Client, catalog: Catalog) -> None:
    detail = catalog.provision("short-lived", Purpose="logs")
    catalog.ended(detail["RecordId"])
    arguments = {"ProvisionedProductName": "short-lived", "TerminateToken": "end"}
    terminate = catalog.servicecatalog.terminate_provisioned_product

    record = terminate(**arguments)["RecordDetail"]

    assert record["RecordType"] == "TERMINATE_PROVISIONED_PRODUCT"
    assert terminate(**arguments)["RecordDetail"]["RecordId"] == record["RecordId"]
    ended, _ = catalog.ended(record["RecordId"])
    assert ended["Status"] == "SUCCEEDED"
    assert error_of(terminate, **arguments)[0] == "ResourceNotFoundException"
    stacks = client("cloudformation").list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    assert [s["StackName"] for s in stacks] == [f"SC-{catalog.account_id}-{detail['ProvisionedProductId']}"]
    assert f"catalog-logs-{catalog.account_id}" not in [
        b["Name"] for b in client("s3").list_buckets()["Buckets"]
    ]


def test_terminate_is_refused_while_under_change(catalog: Catalog) -> None:
    detail = catalog.provision("busy", Purpose="logs")
    terminate = catalog.servicecatalog.terminate_provisioned_product
    code, message = error_of(terminate, ProvisionedProductName="busy", TerminateToken="end")
    assert code == "ValidationException"
    assert "UNDER_CHANGE" in message
    catalog.ended(detail["RecordId"])


def test_terminate_that_fails_leaves_a_tainted_product(client: Client, catalog: Catalog) -> None:
    catalog.ended(catalog.provision("full", Purpose="data")["RecordId"])
    client("s3").put_object(Bucket=f"catalog-data-{catalog.account_id}", Key="kept", Body=b"1")
    terminate = catalog.servicecatalog.terminate_provisioned_product

    record = terminate(ProvisionedProductName="full", TerminateToken="end")["RecordDetail"]

    ended, _ = catalog.ended(record["RecordId"])
    assert ended["Status"] == "FAILED"
    assert "DELETE_FAILED" in ended["RecordErrors"][0]["Description"]
    product = catalog.servicecatalog.describe_provisioned_product(Name="full")["ProvisionedProductDetail"]
    assert product["Status"] == "TAINTED"

    record = terminate(ProvisionedProductName="full", TerminateToken="again", IgnoreErrors=True)
    ended, _ = catalog.ended(record["RecordDetail"]["RecordId"])
    assert ended["Status"] == "SUCCEEDED"
    describe = catalog.servicecatalog.describe_provisioned_product
    assert error_of(describe, Name="full")[0] == "ResourceNotFoundException"


def test_terminate_needs_the_launch_roles_permission(client: Client, catalog: Catalog) -> None:
    catalog.ended(catalog.provision("stuck", Purpose="logs")["RecordId"])
    allow_launch(client("iam"), resource="arn:aws:s3:::elsewhere")
    record = catalog.servicecatalog.terminate_provisioned_product(
        ProvisionedProductName="stuck", TerminateToken="end"
    )["RecordDetail"]
    ended, _ = catalog.ended(record["RecordId"])
    assert "cloudformation:DeleteStack" in ended["RecordErrors"][0]["Description"]


def test_terminate_can_retain_the_resources(client: Client, catalog: Catalog) -> None:
    catalog.ended(catalog.provision("kept", Purpose="logs")["RecordId"])
    record = catalog.servicecatalog.terminate_provisioned_product(
        ProvisionedProductName="kept", TerminateToken="end", RetainPhysicalResources=True
    )["RecordDetail"]
    ended, _ = catalog.ended(record["RecordId"])
    assert ended["Status"] == "SUCCEEDED"
    client("s3").head_bucket(Bucket=f"catalog-logs-{catalog.account_id}")


def test_update_provisioned_product(client: Client, catalog: Catalog) -> None:
    catalog.ended(catalog.provision("changing", Purpose="logs")["RecordId"])
    record = catalog.servicecatalog.update_provisioned_product(
        ProvisionedProductName="changing",
        ProvisioningParameters=[
            {"Key": "Purpose", "UsePreviousValue": True},
            {"Key": "Versioning", "Value": "Enabled"},
        ],
        UpdateToken="update",
    )["RecordDetail"]
    ended, _ = catalog.ended(record["RecordId"])
    assert (ended["Status"], ended["RecordErrors"]) == ("SUCCEEDED", [])
    versioning = client("s3").get_bucket_versioning(Bucket=f"catalog-logs-{catalog.account_id}")
    assert versioning["Status"] == "Enabled"


def test_update_that_fails_leaves_a_tainted_product(catalog: Catalog) -> None:
    catalog.ended(catalog.provision("changing", Purpose="logs")["RecordId"])
    record = catalog.servicecatalog.update_provisioned_product(
        ProvisionedProductName="changing",
        ProvisioningParameters=[
            {"Key": "Purpose", "UsePreviousValue": True},
            {"Key": "Versioning", "Value": "Sometimes"},
        ],
        UpdateToken="update",
    )["RecordDetail"]
    ended, states = catalog.ended(record["RecordId"])
    assert ended["Status"] == "FAILED"
    assert "IN_PROGRESS_IN_ERROR" in states
    product = catalog.servicecatalog.describe_provisioned_product(Name="changing")
    assert product["ProvisionedProductDetail"]["Status"] == "TAINTED"


def test_get_provisioned_product_outputs(catalog: Catalog) -> None:
    catalog.ended(catalog.provision("told", Purpose="logs")["RecordId"])
    outputs = catalog.servicecatalog.get_provisioned_product_outputs(
        ProvisionedProductName="told", OutputKeys=["BucketName"]
    )["Outputs"]
    assert outputs == [
        {
            "OutputKey": "BucketName",
            "OutputValue": f"catalog-logs-{catalog.account_id}",
            "Description": "The bucket",
        }
    ]
    get = catalog.servicecatalog.get_provisioned_product_outputs
    code, _ = error_of(get, ProvisionedProductName="told", OutputKeys=["Nothing"])
    assert code == "ResourceNotFoundException"


def test_search_provisioned_products(catalog: Catalog) -> None:
    catalog.ended(catalog.provision("found", Purpose="logs")["RecordId"])
    catalog.ended(catalog.provision("other", Purpose="data")["RecordId"])
    search = catalog.servicecatalog.search_provisioned_products
    assert search()["TotalResultsCount"] == 2
    found = search(Filters={"SearchQuery": ["name:found", "status:AVAILABLE"]})["ProvisionedProducts"]
    assert [product["Name"] for product in found] == ["found"]
    assert found[0]["PhysicalId"].startswith("arn:aws:cloudformation:")
    assert error_of(search, Filters={"SearchQuery": ["colour:red"]})[0] == "InvalidParametersException"


def test_list_record_history(catalog: Catalog) -> None:
    record = catalog.provision("history", Purpose="logs")
    catalog.ended(record["RecordId"])
    history = catalog.servicecatalog.list_record_history(
        SearchFilter={"Key": "provisionedproduct", "Value": record["ProvisionedProductId"]}
    )["RecordDetails"]
    assert [r["RecordId"] for r in history] == [record["RecordId"]]


@pytest.mark.parametrize("operation", ["describe_record", "describe_provisioned_product"])
def test_what_is_not_there_is_not_found(catalog: Catalog, operation: str) -> None:
    code, _ = error_of(getattr(catalog.servicecatalog, operation), Id="pp-nothinghere00")
    assert code == "ResourceNotFoundException"


def test_a_parameter_that_is_not_played_is_refused(catalog: Catalog) -> None:
    code, message = error_of(
        catalog.servicecatalog.provision_product,
        ProductId=catalog.product_id,
        ProvisioningArtifactId=catalog.artifact_id,
        ProvisionedProductName="notified",
        ProvisionToken="notified",
        NotificationArns=[f"arn:aws:sns:us-east-1:{catalog.account_id}:topic"],
    )
    assert code == "InvalidParametersException"
    assert "NotificationArns" in message


def test_two_launch_paths_need_a_choice(catalog: Catalog) -> None:
    servicecatalog = catalog.servicecatalog
    second = servicecatalog.create_portfolio(DisplayName="Second", ProviderName="Platform")
    second_id = second["PortfolioDetail"]["Id"]
    servicecatalog.associate_product_with_portfolio(ProductId=catalog.product_id, PortfolioId=second_id)
    servicecatalog.associate_principal_with_portfolio(
        PortfolioId=second_id,
        PrincipalARN=catalog.principal_arn,
        PrincipalType="IAM",
    )
    code, message = error_of(catalog.provision, name="which", Purpose="logs")
    assert (code, "More than one launch path" in message) == ("InvalidParametersException", True)
    record = servicecatalog.provision_product(
        ProductId=catalog.product_id,
        ProvisioningArtifactId=catalog.artifact_id,
        ProvisionedProductName="which",
        ProvisionToken="which",
        PathName="Second",
        ProvisioningParameters=[{"Key": "Purpose", "Value": "logs"}],
    )["RecordDetail"]
    catalog.ended(record["RecordId"])


def test_the_template_is_a_copy(
    client: Client, catalog: Catalog, template_url: Callable[[str, str], str]
) -> None:
    template_url("v1.json", BUCKET_TEMPLATE.replace("catalog-${Purpose}", "changed-${Purpose}"))
    catalog.ended(catalog.provision("copy", Purpose="logs")["RecordId"])
    client("s3").head_bucket(Bucket=f"catalog-logs-{catalog.account_id}")


def test_the_tagging_api_lists_what_was_launched(client: Client, catalog: Catalog) -> None:
    detail = catalog.servicecatalog.provision_product(
        ProductName="Bucket",
        ProvisioningArtifactName="v1",
        ProvisionedProductName="tagged",
        ProvisionToken="tagged",
        ProvisioningParameters=[{"Key": "Purpose", "Value": "data"}],
        Tags=[{"Key": "owner", "Value": "me"}],
    )["RecordDetail"]
    catalog.ended(detail["RecordId"])
    wanted = [{"Key": "owner", "Values": ["me"]}]
    found = client("resourcegroupstaggingapi").get_resources(TagFilters=wanted)["ResourceTagMappingList"]
    arns = {one["ResourceARN"] for one in found}
    described = catalog.servicecatalog.describe_provisioned_product(Name="tagged")
    assert described["ProvisionedProductDetail"]["Arn"] in arns


def test_a_record_that_succeeds_while_it_is_described_never_lacks_its_outputs(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sees SUCCEEDED takes the outputs to be complete."""
    from local_aws.servicecatalog import responses

    record_id = catalog.provision("slow", Purpose="data")["RecordId"]
    page = responses.paged

    def late(items: list[Any], *arguments: Any) -> Any:
        paged = page(items, *arguments)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while record_of(catalog, record_id).status != "SUCCEEDED":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return paged

    monkeypatch.setattr(responses, "paged", late)
    told = catalog.servicecatalog.describe_record(Id=record_id)
    monkeypatch.undo()
    complete = "BucketName" in {output["OutputKey"] for output in told["RecordOutputs"]}
    assert complete or told["RecordDetail"]["Status"] != "SUCCEEDED"


def record_of(catalog: Any, record_id: str) -> Any:
    """The record as the server has it."""
    from moto.servicecatalog.models import servicecatalog_backends

    return servicecatalog_backends[catalog.account_id]["us-east-1"].record(record_id)
