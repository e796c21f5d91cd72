from __future__ import annotations

from pathlib import Path

from local_aws.persistence.scratch import reap


def test_working_folders_of_processes_that_are_gone_are_removed_and_logs_stay(tmp_path: Path) -> None:
    gone = ["emr/j-1/tmp/a", "sagemaker/job/model/b", "sagemaker/endpoints/served/i-1/model/c"]
    kept = ["emr/j-1/livy.log", "sagemaker/job/container.log"]
    for name in (*gone, *kept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    reap(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == kept


def test_a_home_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    reap(tmp_path / "none")
