from __future__ import annotations

import pytest

from sagemaker_emr.hooks.livy_log import LogTail, diagnostics, failure_reason, output

PYTHON = [
    "24/01/01 12:00:00 INFO SparkContext: Running",
    "Traceback (most recent call last):",
    '  File "/tmp/prepare_features.py", line 9, in <module>',
    "    main()",
    "ValueError: first try",
    "Traceback (most recent call last):",
    '  File "/tmp/prepare_features.py", line 12, in main',
    "    raise ValueError(path)",
    "ValueError: no such partition: date=2013-02-30",
    "24/01/01 12:00:09 INFO ShutdownHookManager: Shutdown hook called",
]
PY4J = [
    "Traceback (most recent call last):",
    '  File "/tmp/prepare_features.py", line 3, in <module>',
    "    frame.write.parquet(target)",
    "py4j.protocol.Py4JJavaError: An error occurred while calling o53.parquet.",
    ": org.apache.spark.SparkException: Job aborted.",
    "\tat org.apache.spark.sql.errors.QueryExecutionErrors$.jobAborted(QueryExecutionErrors.scala:1)",
    "Caused by: java.io.IOException: Task failed while writing rows",
    "\t... 41 more",
    "Caused by: java.nio.file.AccessDeniedException: s3a://features/flights: 403",
    "24/01/01 12:00:09 INFO ShutdownHookManager: Shutdown hook called",
]
JAVA = [
    'Exception in thread "main" org.apache.spark.SparkException: Application finished with failed status',
    "\tat org.apache.spark.deploy.yarn.Client.run(Client.scala:1)",
    "Caused by: java.lang.OutOfMemoryError: Java heap space",
]


def livy_log(driver: list[str], yarn: list[str] | None = None) -> list[str]:
    return ["stdout: ", *driver, "\nstderr: ", *(["\nYARN Diagnostics: ", *yarn] if yarn else [])]


def test_sections_are_told_apart() -> None:
    log = livy_log(["hello"], ["AM container launched"])
    assert output(log) == ["hello"]
    assert diagnostics(log) == "AM container launched"


def test_the_last_python_traceback_is_the_reason() -> None:
    reason = failure_reason(livy_log(PYTHON))
    assert reason is not None
    assert reason.splitlines()[-1] == "ValueError: no such partition: date=2013-02-30"
    assert "line 12, in main" in reason
    assert "first try" not in reason
    assert "ShutdownHookManager" not in reason


def test_a_spark_error_keeps_its_causes_but_not_its_frames() -> None:
    reason = failure_reason(livy_log(PY4J))
    assert reason is not None
    assert "Caused by: java.nio.file.AccessDeniedException: s3a://features/flights: 403" in reason
    assert "\tat " not in reason
    assert "Shutdown hook" not in reason


def test_a_java_exception_is_the_reason_with_its_last_cause() -> None:
    assert failure_reason(livy_log(JAVA)) == f"{JAVA[0]}\n{JAVA[2]}"


def test_yarns_diagnostics_are_the_reason_where_nothing_was_printed() -> None:
    log = livy_log(["submitted"], ["Application killed by the ResourceManager"])
    assert failure_reason(log) == "Application killed by the ResourceManager"


def test_a_log_without_an_exception_has_no_reason() -> None:
    assert failure_reason(livy_log(["done"])) is None


def numbered(first: int, last: int) -> list[str]:
    return [f"line {number}" for number in range(first, last)]


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        pytest.param(numbered(0, 0), numbered(0, 5), numbered(0, 5), id="the first lines"),
        pytest.param(numbered(0, 5), numbered(0, 8), numbered(5, 8), id="a growing log"),
        pytest.param(numbered(0, 5), numbered(0, 5), [], id="nothing new"),
        pytest.param(numbered(0, 200), numbered(50, 250), numbered(200, 250), id="older lines gone"),
        pytest.param(numbered(0, 200), numbered(190, 390), numbered(200, 390), id="almost all gone"),
        pytest.param(numbered(0, 200), numbered(500, 700), numbered(500, 700), id="nothing in common"),
        pytest.param(["tick"] * 5, ["tick"] * 7, ["tick"] * 2, id="lines that repeat"),
    ],
)
def test_only_new_lines_are_told(before: list[str], after: list[str], new: list[str]) -> None:
    tail = LogTail()
    tail.new(before)
    resumed = LogTail(tail.seen, tail.tail)
    assert resumed.new(after) == new
    assert resumed.lost == (new == numbered(500, 700))
    assert resumed.new(after) == []
