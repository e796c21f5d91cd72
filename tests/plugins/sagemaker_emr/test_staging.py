from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile

import pytest

from sagemaker_emr import staging
from sagemaker_emr.exceptions import InvalidInput


def test_the_key_follows_the_content():
    key = staging.content_key("code/spark/", b"data", "job.py")
    assert key == f"code/spark/{staging.content_hash(b'data')}/job.py"
    assert staging.content_key("code/spark", b"other", "job.py") != key


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "train.py").write_text("print('train')")
    (tmp_path / "sub" / "features.py").write_text("F = []")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "train.pyc").write_bytes(b"\0")
    return tmp_path


def test_a_packed_folder_does_not_depend_on_time_or_order(folder):
    packed = staging.pack_directory(folder)
    os.utime(folder / "train.py", (1, 1))
    assert staging.pack_directory(folder) == packed


def test_a_packed_folder_holds_its_files_alone(folder):
    with tarfile.open(fileobj=io.BytesIO(staging.pack_directory(folder))) as archive:
        assert archive.getnames() == ["sub/features.py", "train.py"]
        assert archive.extractfile("train.py").read() == b"print('train')"


def test_a_changed_file_changes_the_archive(folder):
    packed = staging.pack_directory(folder)
    (folder / "train.py").write_text("print('other')")
    assert staging.pack_directory(folder) != packed


@pytest.mark.parametrize("path", ["cfn/network.yaml", "include/cfn/network.yaml"])
def test_paths_are_below_include(path):
    assert staging.include_path(path) == staging.INCLUDE / "cfn" / "network.yaml"


@pytest.mark.parametrize("path", ["../pyproject.toml", "/etc/passwd", "cfn/none.yaml"])
def test_other_paths_are_refused(path):
    with pytest.raises(InvalidInput, match=path):
        staging.include_path(path)


def test_a_deployment_with_another_layout_names_the_folder(folder):
    script = "from sagemaker_emr import staging; print(staging.include_path('include/train.py'))"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "SAGEMAKER_EMR_INCLUDE": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(folder / "train.py")


def test_placeholders_are_filled_and_cloudformations_own_left_alone():
    filled = staging.fill_in("@{environment} ${AWS::Region} @{…}", {"environment": "dev"}, "t.yaml")
    assert filled == "dev ${AWS::Region} @{…}"


def test_a_placeholder_without_a_value_is_named():
    with pytest.raises(InvalidInput) as raised:
        staging.fill_in("@{environment} @{bootstrap_script}", {"environment": "dev"}, "t.yaml")
    assert "bootstrap_script" in raised.value.reason


def test_a_template_address_follows_the_partition():
    assert staging.https_url("b", "k/t.yaml", "cn-north-1", "aws-cn") == (
        "https://b.s3.cn-north-1.amazonaws.com.cn/k/t.yaml"
    )
    assert staging.https_url("b", "k", "us-east-1", "aws") == "https://b.s3.us-east-1.amazonaws.com/k"
