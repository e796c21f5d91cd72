"""What the embedded AWS has answered is there after kill -9."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import threading
import time
from typing import Any

import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError

from tests.local_aws.emr.conftest import make_default_roles, parameters
from tests.local_aws.persistence.conftest import Server, eventually

pytestmark = pytest.mark.local_aws

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
WRITERS = 4


def template(*buckets: str) -> str:
    """Buckets made one after the other."""
    resources: dict[str, Any] = {}
    for number, name in enumerate(buckets):
        resources[f"B{number}"] = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}
        if number:
            resources[f"B{number}"]["DependsOn"] = f"B{number - 1}"
    return json.dumps({"Resources": resources})


def status(server: Server, stack: str) -> str:
    return str(server.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])


class Writer(threading.Thread):
    """Writes objects and roles until its server is gone, and remembers what was acknowledged."""

    def __init__(self, server: Server, name: str) -> None:
        super().__init__(daemon=True)
        self._s3, self._iam, self._name = server.client("s3"), server.client("iam"), name
        self.objects: dict[str, bytes] = {}
        self.deleted: set[str] = set()
        self.roles: list[str] = []

    def run(self) -> None:
        with contextlib.suppress(BotoCoreError, ClientError):
            for number in range(100_000):
                self._write(f"{self._name}-{number}", number)

    def _write(self, key: str, number: int) -> None:
        body = os.urandom(random.choice((0, 10, 5_000, 100_000)))
        self._s3.put_object(Bucket="written", Key=key, Body=body)
        self.objects[key] = body
        if number % 5 == 4:
            gone = random.choice(sorted(self.objects))
            self.objects.pop(gone)  # whatever becomes of the request, nothing is known of the key
            self._s3.delete_object(Bucket="written", Key=gone)
            self.deleted.add(gone)
        if number % 3 == 2:
            self._iam.create_role(RoleName=key, AssumeRolePolicyDocument=TRUST)
            self.roles.append(key)


def test_no_acknowledged_write_is_lost_when_the_server_is_killed_among_concurrent_writes(
    server: Server,
) -> None:
    server.client("s3").create_bucket(Bucket="written")
    writers: list[Writer] = []
    for life in range(3):
        now = [Writer(server, f"life{life}-writer{number}") for number in range(WRITERS)]
        for writer in now:
            writer.start()
        enough = random.randint(20, 60)
        while sum(len(writer.objects) for writer in now) < enough:
            time.sleep(0.01)
        server.kill()
        for writer in now:
            writer.join(60)
        writers += now
        server.start()
    s3, iam = server.client("s3"), server.client("iam")
    there = {
        item["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="written")
        for item in page.get("Contents", [])
    }
    roles = {
        role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]
    }
    for writer in writers:
        assert set(writer.objects) <= there
        assert not writer.deleted & there
        assert set(writer.roles) <= roles
        for key in sorted(writer.objects)[:20]:
            assert s3.get_object(Bucket="written", Key=key)["Body"].read() == writer.objects[key]


def test_every_kind_of_s3_change_survives(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="kinds")
    s3.put_bucket_versioning(Bucket="kinds", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="kinds", Key="versioned", Body=b"1")["VersionId"]
    s3.put_object(Bucket="kinds", Key="versioned", Body=b"2", Metadata={"made": "here"})
    s3.put_object(Bucket="kinds", Key="hidden", Body=b"x")
    s3.delete_object(Bucket="kinds", Key="hidden")
    s3.put_object_tagging(Bucket="kinds", Key="versioned", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.copy_object(Bucket="kinds", Key="copied", CopySource="kinds/versioned")
    done = s3.create_multipart_upload(Bucket="kinds", Key="parts")["UploadId"]
    part = s3.upload_part(Bucket="kinds", Key="parts", UploadId=done, PartNumber=1, Body=b"p" * 100_000)
    s3.complete_multipart_upload(
        Bucket="kinds",
        Key="parts",
        UploadId=done,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    open_upload = s3.create_multipart_upload(Bucket="kinds", Key="unfinished")["UploadId"]
    etag = s3.upload_part(
        Bucket="kinds", Key="unfinished", UploadId=open_upload, PartNumber=1, Body=b"u" * 10
    )
    server.kill()
    server.start()
    found = s3.get_object(Bucket="kinds", Key="versioned")
    assert (found["Body"].read(), found["Metadata"]) == (b"2", {"made": "here"})
    assert s3.get_object(Bucket="kinds", Key="versioned", VersionId=first)["Body"].read() == b"1"
    assert s3.get_object_tagging(Bucket="kinds", Key="versioned")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert s3.get_object(Bucket="kinds", Key="copied")["Body"].read() == b"2"
    assert s3.get_object(Bucket="kinds", Key="parts")["Body"].read() == b"p" * 100_000
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="kinds", Key="hidden")
    s3.complete_multipart_upload(
        Bucket="kinds",
        Key="unfinished",
        UploadId=open_upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag["ETag"]}]},
    )
    assert s3.get_object(Bucket="kinds", Key="unfinished")["Body"].read() == b"u" * 10


def test_operations_in_progress_go_on_to_their_end(server: Server) -> None:
    cloudformation, emr = server.client("cloudformation"), server.client("emr")
    make_default_roles(server.client("iam"))
    cloudformation.create_stack(StackName="deleting", TemplateBody=template(*(f"old-{n}" for n in range(20))))
    eventually(lambda: status(server, "deleting"), "CREATE_COMPLETE")
    waiting = emr.run_job_flow(**parameters())["JobFlowId"]
    eventually(lambda: cluster_state(emr, waiting), "WAITING")
    address = emr.describe_cluster(ClusterId=waiting)["Cluster"]["MasterPublicDnsName"]
    cloudformation.create_stack(
        StackName="creating", TemplateBody=template(*(f"bucket-{n}" for n in range(40)))
    )
    deleting = cloudformation.describe_stacks(StackName="deleting")["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName="deleting")
    starting = emr.run_job_flow(**parameters())["JobFlowId"]
    server.kill()
    server.start()
    resumed = server.told()["resumed"]
    assert resumed["clusters"] == 2
    assert 1 <= resumed["stack operations"] <= 2  # on a busy machine the deletion may have ended
    eventually(lambda: status(server, "creating"), "CREATE_COMPLETE")
    eventually(lambda: status(server, deleting), "DELETE_COMPLETE")
    names = {bucket["Name"] for bucket in server.client("s3").list_buckets()["Buckets"]}
    assert names == {f"bucket-{n}" for n in range(40)}
    eventually(lambda: cluster_state(emr, starting), "WAITING")
    assert cluster_state(emr, waiting) == "WAITING"
    assert emr.describe_cluster(ClusterId=waiting)["Cluster"]["MasterPublicDnsName"] == address
    emr.terminate_job_flows(JobFlowIds=[waiting, starting])
    server.kill()
    server.start()
    eventually(lambda: cluster_state(emr, waiting), "TERMINATED")
    eventually(lambda: cluster_state(emr, starting), "TERMINATED")


def cluster_state(emr: Any, cluster_id: str) -> str:
    return str(emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"])


def test_a_listing_that_was_begun_expires_and_all_else_is_kept(server: Server) -> None:
    s3, tagging = server.client("s3"), server.client("resourcegroupstaggingapi")
    for name in ("first", "second", "third"):
        s3.create_bucket(Bucket=name)
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    token = tagging.get_resources(ResourcesPerPage=1)["PaginationToken"]
    s3.create_bucket(Bucket="last")
    server.kill()
    server.start()
    assert "last" in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    with pytest.raises(ClientError, match="PaginationTokenExpired"):
        tagging.get_resources(ResourcesPerPage=1, PaginationToken=token)


def test_numbers_of_noted_requests_go_on(server: Server) -> None:
    server.client("s3").create_bucket(Bucket="noted")
    eventually(lambda: len(noted(server)), 1)
    time.sleep(0.5)  # what is noted is on the disk a moment later
    server.kill()
    server.start()
    server.client("s3").list_buckets()
    first, second = noted(server)
    assert (first["operation"], second["operation"]) == ("CreateBucket", "ListBuckets")
    assert second["seq"] > first["seq"]


def noted(server: Server) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = requests.get(f"{server.url}/_local/requests", timeout=60).json()
    return entries


def test_reset_forgets_what_is_on_disk_too(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="forgotten")
    s3.put_object(Bucket="forgotten", Key="long", Body=b"x" * 100_000)
    requests.post(f"{server.url}/moto-api/reset", timeout=60).raise_for_status()
    assert not list((server.state / "bodies").glob("*/*"))
    server.kill()
    server.start()
    assert s3.list_buckets()["Buckets"] == []


def test_a_state_of_another_version_is_set_aside_and_told(server: Server) -> None:
    server.client("s3").create_bucket(Bucket="old")
    server.stop()
    (server.state / "world.pickle").write_bytes(b"of another version")
    server.start()
    told = server.told()["set_aside"]
    assert told["reason"]
    aside = server.state / told["folder"].rsplit("/", 1)[1]
    assert (aside / "world.pickle").read_bytes() == b"of another version"
    assert (aside / "objects.db").exists()
    assert server.client("s3").list_buckets()["Buckets"] == []


def test_only_the_user_can_read_the_state(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="private")
    s3.put_object(Bucket="private", Key="long", Body=b"x" * 100_000)
    assert server.state.stat().st_mode & 0o077 == 0
    files = [server.state / "world.pickle", *server.state.glob("objects.db*")]
    for path in [*files, *(server.state / "bodies").glob("*/*")]:
        assert path.stat().st_mode & 0o077 == 0
    with sqlite3.connect(server.state / "objects.db") as database:
        assert database.execute("SELECT count(*) FROM entries").fetchone() == (1,)
