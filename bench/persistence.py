"""``python -m bench.persistence``: the price of an embedded AWS whose answers are on disk before they leave.

Two of them side by side, one that keeps its state and one that does not, each with the platform's stack in
it. Each call goes to both, now to the one first and now to the other; measured is the time that a client
waits. Why answers are kept: docs/adr/0017.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import click
import requests
from botocore.config import Config
from rich.console import Console
from rich.table import Table

from local_stack.settings import PROJECT

REGION = "us-east-1"
TEMPLATES = PROJECT / "include" / "cfn"
KEPT, FORGOTTEN = "kept", "forgotten"
START_SECONDS = 120
SETTLE_SECONDS = 300
SMALL, LARGE = os.urandom(1024), os.urandom(5 * 1024 * 1024)
LISTED = 200
PRODUCT = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}
LAUNCH = ["cloudformation:*", "s3:*"]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "servicecatalog.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}

Call = Callable[["Server"], Any]


class Server:
    """One embedded AWS, and boto3's clients of it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        config = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=120)
        self.s3, self.cloudformation, self.servicecatalog, self.iam = (
            boto3.client(
                service,
                region_name=REGION,
                endpoint_url=self.url,
                aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
                aws_secret_access_key="not-a-secret",  # noqa: S106
                config=config,
            )
            for service in ("s3", "cloudformation", "servicecatalog", "iam")
        )
        self.product_id = ""
        self.record_id = ""
        self.provisioned = ""

    def answers(self) -> bool:
        """Whether it has started."""
        try:
            return requests.get(f"{self.url}/_local/health", timeout=5).ok
        except requests.RequestException:
            return False

    def furnish(self) -> None:
        """The platform as one stack (docs/platform.md), a bucket with objects, a product that is a bucket."""
        self.s3.create_bucket(Bucket="templates")
        for template in TEMPLATES.glob("*.yaml"):
            text = template.read_text().replace("@{environment}", "dev")
            text = text.replace("@{bootstrap_script}", "s3://templates/installpylibs.sh")
            self.s3.put_object(Bucket="templates", Key=f"cfn/{template.name}", Body=text.encode())
        self.s3.put_object(Bucket="templates", Key="product.json", Body=json.dumps(PRODUCT).encode())
        url = f"https://templates.s3.{REGION}.amazonaws.com"
        parameters = {"TemplatesUrl": f"{url}/cfn", "TemplatesBucket": "templates"}
        self.cloudformation.create_stack(
            StackName="platform",
            TemplateURL=f"{url}/cfn/platform.yaml",
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        until(self._platform_stands)
        self._offer(f"{url}/product.json")
        self.s3.create_bucket(Bucket="bench")
        for number in range(LISTED):
            self.s3.put_object(Bucket="bench", Key=f"listed/{number:04}", Body=b"")

    def _platform_stands(self) -> bool:
        status = self.cloudformation.describe_stacks(StackName="platform")["Stacks"][0]["StackStatus"]
        if status not in ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"):
            raise click.ClickException(f"stack platform is {status}")
        return bool(status == "CREATE_COMPLETE")

    def _offer(self, template_url: str) -> None:
        made = self.servicecatalog.create_product(
            Name="bench",
            Owner="bench",
            ProductType="CLOUD_FORMATION_TEMPLATE",
            ProvisioningArtifactParameters={
                "Name": "v1",
                "Type": "CLOUD_FORMATION_TEMPLATE",
                "Info": {"LoadTemplateFromURL": template_url},
            },
        )
        self.product_id = made["ProductViewDetail"]["ProductViewSummary"]["ProductId"]
        portfolio = self.servicecatalog.create_portfolio(DisplayName="bench", ProviderName="bench")
        at = {"PortfolioId": portfolio["PortfolioDetail"]["Id"]}
        self.servicecatalog.associate_product_with_portfolio(ProductId=self.product_id, **at)
        self.servicecatalog.associate_principal_with_portfolio(
            PrincipalARN="arn:aws:iam::123456789012:root", PrincipalType="IAM", **at
        )
        role = self.iam.create_role(RoleName="bench", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
        allowed = {"Effect": "Allow", "Action": LAUNCH, "Resource": "*"}
        self.iam.put_role_policy(
            RoleName="bench",
            PolicyName="launch",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
        )
        self.servicecatalog.create_constraint(
            ProductId=self.product_id, Type="LAUNCH", Parameters=json.dumps({"RoleArn": role["Arn"]}), **at
        )

    # The life of a product

    def provision(self) -> None:
        """Ask for the next one."""
        record = self.servicecatalog.provision_product(
            ProductId=self.product_id,
            ProvisioningArtifactName="v1",
            ProvisionedProductName=next(_names),
        )["RecordDetail"]
        self.record_id, self.provisioned = record["RecordId"], record["ProvisionedProductId"]

    def terminate(self) -> None:
        """Ask for its end."""
        record = self.servicecatalog.terminate_provisioned_product(ProvisionedProductId=self.provisioned)
        self.record_id = record["RecordDetail"]["RecordId"]

    def record_status(self) -> str:
        """Of what was asked for last."""
        return str(self.servicecatalog.describe_record(Id=self.record_id)["RecordDetail"]["Status"])

    def settle(self) -> None:
        """Wait for the end of what was asked for last.

        :raises ClickException: it failed.
        """
        until(lambda: self.record_status() not in ("CREATED", "IN_PROGRESS"))
        if (status := self.record_status()) != "SUCCEEDED":
            raise click.ClickException(f"record {self.record_id} is {status}")


_names = (f"bench-{number}" for number in itertools.count(1))


@contextmanager
def started(folder: Path, keeps: bool) -> Iterator[Server]:
    """An embedded AWS of our own, with a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir()
    command = [sys.executable, "-m", "local_aws", "--port", str(port), "--with-parent"]
    environment = {name: value for name, value in os.environ.items() if name != "LOCAL_AWS_STATE"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *(["--state", str(folder / "state")] if keeps else [])],
            cwd=PROJECT,
            env={**environment, "LOCAL_AWS_HOME": str(folder / "home")},
            stdout=log,
            stderr=log,
        )
    try:
        server = Server(port)
        until(lambda: server.answers() or process.poll() is not None, START_SECONDS)
        if process.poll() is not None:
            raise click.ClickException((folder / "log").read_text()[-2000:])
        yield server
    finally:
        process.terminate()
        process.wait()


def until(look: Callable[[], bool], seconds: float = SETTLE_SECONDS) -> None:
    """:raises ClickException: it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise click.ClickException(f"nothing came of it in {seconds:.0f} s")
        time.sleep(0.05)


class Measured:
    """The milliseconds of each call, by operation and by side."""

    def __init__(self, sides: dict[str, Server]) -> None:
        self._sides = sides
        self._first = itertools.cycle([KEPT, FORGOTTEN])
        self.milliseconds: dict[str, dict[str, list[float]]] = {}

    def time(self, operation: str, call: Call) -> None:
        """Let both sides answer."""
        first = next(self._first)
        for side in sorted(self._sides, key=lambda side: side != first):
            began = time.perf_counter()
            call(self._sides[side])
            passed = (time.perf_counter() - began) * 1000
            self.milliseconds.setdefault(operation, {}).setdefault(side, []).append(passed)

    def times(self) -> dict[str, Any]:
        """Least, median and most of each, and how much the medians differ by."""
        return {
            operation: {
                **{side: _spread(values) for side, values in sides.items()},
                "times": round(statistics.median(sides[KEPT]) / statistics.median(sides[FORGOTTEN]), 2),
                "calls": len(sides[KEPT]),
            }
            for operation, sides in self.milliseconds.items()
        }


def _spread(values: list[float]) -> list[float]:
    return [round(of(values), 1) for of in (min, statistics.median, max)]


def measure(sides: dict[str, Server], objects: int, products: int) -> dict[str, Any]:
    """Put, read and list objects; let products live and end."""
    measured = Measured(sides)
    for number in range(objects):
        for size, body in (("1 KB", SMALL), ("5 MB", LARGE)):
            key = f"{size[0]}/{number}"
            measured.time(f"PutObject, {size}", partial(put, key=key, body=body))
            measured.time(f"GetObject, {size}", partial(get, key=key))
        measured.time(f"ListObjectsV2, {LISTED} keys", listed)
    for _ in range(products):
        measured.time("ProvisionProduct", Server.provision)
        measured.time("DescribeRecord, in progress", Server.record_status)
        for server in sides.values():
            server.settle()
        measured.time("DescribeRecord, ended", Server.record_status)
        measured.time("TerminateProvisionedProduct", Server.terminate)
        for server in sides.values():
            server.settle()
    return measured.times()


def put(on: Server, key: str, body: bytes) -> None:
    """PutObject; a long body is another each time, since equal ones are kept once."""
    on.s3.put_object(Bucket="bench", Key=key, Body=key.encode() + body)


def get(on: Server, key: str) -> None:
    """GetObject, read to its end."""
    on.s3.get_object(Bucket="bench", Key=key)["Body"].read()


def listed(on: Server) -> None:
    """ListObjectsV2."""
    on.s3.list_objects_v2(Bucket="bench", Prefix="listed/")


@click.command(help=__doc__)
@click.option("--objects", default=100, show_default=True, help="How many of each size.")
@click.option("--products", default=20, show_default=True, help="How many live and end.")
@click.option("--report", type=click.Path(path_type=Path), default=PROJECT / "var/bench/persistence.json")
def main(objects: int, products: int, report: Path) -> None:
    """Measure, write the report and show it."""
    with tempfile.TemporaryDirectory(prefix="persistence-") as folder, ExitStack() as stack:
        sides = {
            side: stack.enter_context(started(Path(folder) / side, keeps=side == KEPT))
            for side in (KEPT, FORGOTTEN)
        }
        for server in sides.values():
            server.furnish()
        times = measure(sides, objects, products)
    load = os.getloadavg()
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps({"times": times, "load": load}, indent=1) + "\n")
    table = Table("ms: least, median, most", KEPT, FORGOTTEN, "times", "calls")
    for operation, row in times.items():
        spreads = (" / ".join(map(str, row[side])) for side in (KEPT, FORGOTTEN))
        table.add_row(operation, *spreads, str(row["times"]), str(row["calls"]))
    Console().print(table)
    click.echo(f"load {load[0]:.1f}; report: {report}")


if __name__ == "__main__":
    main(prog_name="python -m bench.persistence")
