"""The sample's upstream system: it delivers raw daily partitions into the raw bucket of an environment.

``python -m local_stack.feed --environment dev`` runs until it is stopped. It looks for the environment's
storage stack, and delivers into its raw bucket, once per bucket: a stack that is deleted and made again is
delivered into again. Where to is boto3's business: ``AWS_ENDPOINT_URL`` and credentials in the environment.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local_stack import flights
from local_stack.settings import Settings

USER_AGENT = "sagemaker-emr-feed"
"""Marks the feed's calls, so that they can be told apart from the product's."""
POLL_SECONDS = 2.0
UPLOAD_THREADS = 4
OUTPUT = "RawBucket"

log = logging.getLogger(__name__)

Deliver = Callable[[str], object]


def deliver(
    s3_client: Any,
    bucket: str,
    first_date: datetime.date = flights.FIRST_DATE,
    last_date: datetime.date = flights.LAST_DATE,
    *,
    cache: Path | None = None,
) -> int:
    """Upload the planes and each day's weather and flights, earliest day first; what is there is left alone.

    A day's flights are uploaded after its weather: once they are there, the day is complete.

    :param first_date: first day delivered; days outside 2013 don't exist.
    :param last_date: last day delivered, inclusive.
    :param cache: where the partitions are kept between runs, by default ``var/data``.
    :return: the number of objects uploaded.
    """
    folder = flights.partitions(cache or Settings().home / "data")
    present = _keys(s3_client, bucket)
    first_date, last_date = max(first_date, flights.FIRST_DATE), min(last_date, flights.LAST_DATE)
    days = [first_date + datetime.timedelta(days=day) for day in range((last_date - first_date).days + 1)]
    units = [[flights.PLANES_KEY]]
    units += [[flights.partition_key(table, day) for table in ("weather", "flights")] for day in days]
    missing = [[key for key in unit if key not in present] for unit in units]

    def upload(unit: list[str]) -> None:
        for key in unit:
            s3_client.put_object(
                Bucket=bucket, Key=key, Body=(folder / key).read_bytes(), ContentType="application/gzip"
            )

    with ThreadPoolExecutor(UPLOAD_THREADS) as threads:
        for _ in threads.map(upload, missing):
            pass
    return sum(map(len, missing))


def raw_bucket(cloud_formation: Any, environment: str) -> tuple[str, str] | None:
    """The storage stack's id and its raw bucket, or nothing while there is no such finished stack."""
    # The stack's name as the product derives it, told again: an upstream system doesn't import its reader.
    try:
        answer = cloud_formation.describe_stacks(StackName=f"sagemaker-emr-{environment}-storage")
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # "Stack with id … does not exist"
            return None
        raise
    stack = answer["Stacks"][0]
    if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
        return None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    return (stack["StackId"], outputs[OUTPUT]) if OUTPUT in outputs else None


class Feed:
    """Delivers into the raw bucket of one environment whenever there is one it has not delivered into."""

    def __init__(self, environment: str, cloud_formation: Any, deliver_into: Deliver) -> None:
        self.environment = environment
        self.cloud_formation = cloud_formation
        self.deliver_into = deliver_into
        self._delivered: tuple[str, str] | None = None
        self._last_problem = ""

    def look_once(self) -> None:
        """Look for the bucket, deliver if it is new; a failed call is told once and tried again next time."""
        try:
            found = raw_bucket(self.cloud_formation, self.environment)
            if found is not None and found != self._delivered:
                started = time.monotonic()
                count = self.deliver_into(found[1])
                log.info(
                    "delivered %s objects into s3://%s in %.1f s", count, found[1], time.monotonic() - started
                )
                self._delivered = found
            self._last_problem = ""
        except (BotoCoreError, ClientError) as error:
            if str(error) != self._last_problem:
                log.warning("will try again: %s", error)
            self._last_problem = str(error)

    def run(self) -> NoReturn:
        """Look every two seconds until the process is ended."""
        while True:
            self.look_once()
            time.sleep(POLL_SECONDS)


def _keys(s3_client: Any, bucket: str) -> set[str]:
    pages = s3_client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {item["Key"] for page in pages for item in page.get("Contents", [])}


def main(argv: list[str] | None = None) -> NoReturn:
    parser = argparse.ArgumentParser(prog="python -m local_stack.feed", description=__doc__)
    parser.add_argument("--environment", default="dev", help="the environment whose raw bucket is fed")
    parser.add_argument("--from", dest="first_date", type=datetime.date.fromisoformat)
    parser.add_argument("--to", dest="last_date", type=datetime.date.fromisoformat)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)

    config = Config(
        user_agent_extra=USER_AGENT,
        retries={"mode": "standard", "max_attempts": 5},
        max_pool_connections=UPLOAD_THREADS,
    )
    s3_client = boto3.client("s3", config=config)
    first_date = arguments.first_date or flights.FIRST_DATE
    last_date = arguments.last_date or flights.LAST_DATE
    flights.partitions(Settings().home / "data")  # made while the platform is still being deployed
    Feed(
        arguments.environment,
        boto3.client("cloudformation", config=config),
        lambda bucket: deliver(s3_client, bucket, first_date, last_date),
    ).run()


if __name__ == "__main__":
    main()
