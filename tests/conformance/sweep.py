"""Finds and removes what a run made, from what the account shows: nothing needs to have been written down.

What is a run's has its tag, or its prefix in its name: IAM does not tag groups, and a crash can come between
a bucket and its tags. Objects go first, then products, by Service Catalog, then what they are made from, then
stacks, then what was made by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from tests.conformance.account import TAG, Account, limit_seconds, poll_seconds

CHANGING = ("UNDER_CHANGE", "PLAN_IN_PROGRESS")


@dataclass(frozen=True)
class Found:
    """Something of a run, and how it is removed."""

    kind: str
    name: str
    remove: Callable[[], Any]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Sweep:
    """One pass over an account for one run, or for all of them when the account's run is empty."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.client = account.plain_client

    def find(self) -> Iterator[Found]:
        """What there is, in the order in which it can go."""
        for kind in self._kinds():
            yield from kind()

    def _kinds(self) -> list[Callable[[], Iterator[Found]]]:
        return [
            self._objects,
            self._provisioned_products,
            self._products_and_portfolios,
            self._stacks,
            self._buckets,
            self._users_and_groups,
            self._roles,
            self._networks,
        ]

    def run(self) -> tuple[list[str], list[str]]:
        """Remove all; what went, and what is left or can't be known, with AWS's reason."""
        gone: list[str] = []
        left: list[str] = []
        for kind in self._kinds():
            try:
                for found in kind():
                    self._remove(found, gone, left)
            except ClientError as error:
                left.append(f"what could not be listed: {error}")
        return gone, left

    @staticmethod
    def _remove(found: Found, gone: list[str], left: list[str]) -> None:
        if found.kind == "role" and left:
            left.append(f"{found}: kept, since what is left may need it to be removed")
            return
        try:
            found.remove()
        except (ClientError, TimeoutError) as error:
            left.append(f"{found}: {error}")
        else:
            gone.append(str(found))

    def _is_ours(self, name: str, tags: list[dict[str, str]] = []) -> bool:  # noqa: B006
        tagged = any(tag["Key"] == TAG and self.account.run in ("", tag["Value"]) for tag in tags)
        return tagged or name.startswith(self.account.prefix)

    def _pages(self, client: Any, operation: str, key: str, **arguments: Any) -> list[Any]:
        pages = client.get_paginator(operation).paginate(**arguments)
        return [one for page in pages for one in page[key]]

    def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + limit_seconds(60)
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} takes too long")
            time.sleep(poll_seconds(0.1))

    def _objects(self) -> Iterator[Found]:
        """They hold their bucket, and a bucket its stack and product."""
        s3 = self.client("s3")
        for bucket in s3.list_buckets()["Buckets"]:
            if self._is_ours(bucket["Name"]):
                yield Found("objects of bucket", bucket["Name"], partial(self._empty, s3, bucket["Name"]))

    def _empty(self, s3: Any, bucket: str) -> None:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])

    def _provisioned_products(self) -> Iterator[Found]:
        catalog = self.client("servicecatalog")
        mine = {"AccessLevelFilter": {"Key": "Account", "Value": "self"}}
        for product in self._catalog_pages("search_provisioned_products", "ProvisionedProducts", **mine):
            if self._is_ours(product["Name"], product.get("Tags", [])):
                yield Found(
                    "provisioned product", product["Name"], partial(self._end, catalog, product["Name"])
                )

    def _end(self, catalog: Any, name: str) -> None:
        def status() -> str | None:
            try:
                shown = catalog.describe_provisioned_product(Name=name)["ProvisionedProductDetail"]
            except catalog.exceptions.ResourceNotFoundException:
                return None
            return str(shown["Status"])

        self._until(lambda: status() not in CHANGING, name)
        if status() is None:
            return
        record = catalog.terminate_provisioned_product(ProvisionedProductName=name)["RecordDetail"]

        def ended() -> bool:
            shown = catalog.describe_record(Id=record["RecordId"])["RecordDetail"]
            if shown["Status"] == "FAILED":
                reasons = "; ".join(error["Description"] for error in shown["RecordErrors"])
                raise TimeoutError(f"could not be terminated: {reasons}")
            return str(shown["Status"]) == "SUCCEEDED"

        self._until(ended, name)

    def _catalog_pages(self, operation: str, key: str, **arguments: Any) -> list[Any]:
        return _follow(getattr(self.client("servicecatalog"), operation), key, arguments)

    def _products_and_portfolios(self) -> Iterator[Found]:
        catalog = self.client("servicecatalog")
        for detail in self._catalog_pages("search_products_as_admin", "ProductViewDetails"):
            product = detail["ProductViewSummary"]
            if self._is_ours(product["Name"]):
                product_id = product["ProductId"]
                yield Found("product", product["Name"], partial(self._delete_product, catalog, product_id))
        for portfolio in self._catalog_pages("list_portfolios", "PortfolioDetails"):
            if self._is_ours(portfolio["DisplayName"]):
                yield Found(
                    "portfolio",
                    portfolio["DisplayName"],
                    partial(self._delete_portfolio, catalog, portfolio["Id"]),
                )

    def _delete_product(self, catalog: Any, product_id: str) -> None:
        portfolios = catalog.list_portfolios_for_product(ProductId=product_id)["PortfolioDetails"]
        for portfolio in portfolios:
            held = {"PortfolioId": portfolio["Id"], "ProductId": product_id}
            for constraint in catalog.list_constraints_for_portfolio(**held)["ConstraintDetails"]:
                catalog.delete_constraint(Id=constraint["ConstraintId"])
            catalog.disassociate_product_from_portfolio(**held)
        catalog.delete_product(Id=product_id)

    def _delete_portfolio(self, catalog: Any, portfolio_id: str) -> None:
        held = catalog.list_principals_for_portfolio(PortfolioId=portfolio_id)["Principals"]
        for principal in held:
            catalog.disassociate_principal_from_portfolio(PortfolioId=portfolio_id, **principal)
        catalog.delete_portfolio(Id=portfolio_id)

    def _stacks(self) -> Iterator[Found]:
        cloudformation = self.client("cloudformation")
        for stack in self._pages(cloudformation, "describe_stacks", "Stacks"):
            # The stack of a provisioned product goes with it; what refused to go is deleted here.
            if self._is_ours(stack["StackName"], stack.get("Tags", [])) and "ParentId" not in stack:
                yield Found(
                    "stack",
                    stack["StackName"],
                    partial(self._delete_stack, cloudformation, stack["StackId"]),
                )

    def _delete_stack(self, cloudformation: Any, stack_id: str) -> None:
        def status() -> str:
            return str(cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"])

        def settled() -> bool:
            shown = status()
            return shown == "REVIEW_IN_PROGRESS" or not shown.endswith("_IN_PROGRESS")

        self._until(settled, stack_id)
        cloudformation.delete_stack(StackName=stack_id)
        self._until(lambda: status() in ("DELETE_COMPLETE", "DELETE_FAILED"), stack_id)
        if status() == "DELETE_FAILED":
            raise TimeoutError("DELETE_FAILED; its events say why")

    def _buckets(self) -> Iterator[Found]:
        s3 = self.client("s3")
        for bucket in s3.list_buckets()["Buckets"]:
            if self._is_ours(bucket["Name"]):
                yield Found("bucket", bucket["Name"], partial(s3.delete_bucket, Bucket=bucket["Name"]))

    def _users_and_groups(self) -> Iterator[Found]:
        iam = self.client("iam")
        for group in self._pages(iam, "list_groups", "Groups"):
            if self._is_ours(group["GroupName"]):
                yield Found("group", group["GroupName"], partial(self._delete_group, iam, group["GroupName"]))
        for user in self._pages(iam, "list_users", "Users"):
            if self._is_ours(user["UserName"]):
                yield Found("user", user["UserName"], partial(iam.delete_user, UserName=user["UserName"]))

    def _delete_group(self, iam: Any, name: str) -> None:
        for user in iam.get_group(GroupName=name)["Users"]:
            iam.remove_user_from_group(GroupName=name, UserName=user["UserName"])
        for policy in iam.list_group_policies(GroupName=name)["PolicyNames"]:
            iam.delete_group_policy(GroupName=name, PolicyName=policy)
        iam.delete_group(GroupName=name)

    def _roles(self) -> Iterator[Found]:
        iam = self.client("iam")
        for role in self._pages(iam, "list_roles", "Roles"):
            if self._is_ours(role["RoleName"]):
                yield Found("role", role["RoleName"], partial(self._delete_role, iam, role["RoleName"]))

    def _delete_role(self, iam: Any, name: str) -> None:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)

    def _networks(self) -> Iterator[Found]:
        ec2 = self.client("ec2")
        ours = [{"Name": "tag-key", "Values": [TAG]}]
        if self.account.run:
            ours = [{"Name": f"tag:{TAG}", "Values": [self.account.run]}]
        groups = ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
        # Rules that name other groups hold those: all rules go before the first group.
        for group in groups:
            if group["IpPermissions"]:
                rules = {"GroupId": group["GroupId"], "IpPermissions": group["IpPermissions"]}
                yield Found(
                    "rules of security group",
                    group["GroupName"],
                    partial(ec2.revoke_security_group_ingress, **rules),
                )
        for group in groups:
            yield Found(
                "security group",
                group["GroupName"],
                partial(ec2.delete_security_group, GroupId=group["GroupId"]),
            )
        for vpc in ec2.describe_vpcs(Filters=ours)["Vpcs"]:
            yield Found("VPC", vpc["VpcId"], partial(ec2.delete_vpc, VpcId=vpc["VpcId"]))


def _follow(call: Callable[..., dict[str, Any]], key: str, arguments: dict[str, Any]) -> list[Any]:
    """All pages of a Service Catalog operation; few of them have a paginator."""
    found: list[Any] = []
    token: dict[str, str] = {}
    while True:
        page = call(**arguments, **token)
        found += page[key]
        if not page.get("NextPageToken"):
            return found
        token = {"PageToken": page["NextPageToken"]}
