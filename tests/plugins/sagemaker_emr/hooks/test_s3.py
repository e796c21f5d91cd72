from __future__ import annotations

import pytest

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.hooks.s3 import ArtifactsHook, split_uri
from tests.plugins.sagemaker_emr.conftest import aws_error

pytestmark = pytest.mark.local_aws

URI = "s3://artifacts/claims/dev/x.json"


@pytest.fixture
def hook(bucket) -> ArtifactsHook:
    return ArtifactsHook(aws_conn_id=None)


def test_staging_twice_uploads_once(hook, tmp_path, monkeypatch):
    path = tmp_path / "job.py"
    path.write_text("print()")
    uri = hook.put_by_content("artifacts", "code/spark", path)
    monkeypatch.setattr(hook.conn, "put_object", lambda **_: pytest.fail("uploaded again"))
    assert hook.put_by_content("artifacts", "code/spark", path) == uri
    assert uri.startswith("s3://artifacts/code/spark/")
    assert uri.endswith("/job.py")


def test_a_folder_is_staged_as_an_archive(hook, tmp_path):
    (tmp_path / "train.py").write_text("print()")
    uri = hook.put_by_content("artifacts", "code/training", tmp_path)
    assert uri.endswith("/sourcedir.tar.gz")
    assert hook.etag(uri)


def test_of_two_first_writers_one_is_told_that_it_lost(hook):
    assert hook.put_json_if_absent(URI, {"writer": 1})
    assert hook.put_json_if_absent(URI, {"writer": 2}) is None
    assert hook.get_json(URI)[0] == {"writer": 1}


def test_a_document_is_replaced_only_as_it_was_read(hook):
    etag = hook.put_json_if_absent(URI, {"generation": 1})
    assert hook.get_json(URI) == ({"generation": 1}, etag)
    changed = hook.put_json_if_match(URI, {"generation": 2}, etag)
    assert changed != etag
    assert hook.put_json_if_match(URI, {"generation": 3}, etag) is None
    assert hook.get_json(URI) == ({"generation": 2}, changed)


def test_a_document_that_vanished_is_not_made_anew_by_its_update(hook):
    assert hook.put_json_if_match(URI, {}, '"0123"') is None


def test_what_is_not_there_is_none(hook):
    assert hook.get_json(URI) is None
    assert hook.etag(URI) is None


def test_keys_are_listed_from_a_start(hook, local_aws):
    for day in ("01", "02", "03"):
        local_aws("s3").put_object(Bucket="artifacts", Key=f"flights/date={day}/f", Body=b"")
    assert list(hook.keys("artifacts", "flights/", start_after="flights/date=01/f")) == [
        "flights/date=02/f",
        "flights/date=03/f",
    ]


@pytest.mark.parametrize("uri", ["https://b/k", "s3://bucket", "s3:///key", "bucket/key"])
def test_no_s3_address(uri):
    with pytest.raises(InvalidInput, match="no S3 address"):
        split_uri(uri)


def test_another_error_is_not_taken_for_a_missing_object(aws):
    aws.on("HeadObject", aws_error("403", status=403))
    with pytest.raises(Exception, match="403"):
        ArtifactsHook(aws_conn_id=None).etag(URI)
