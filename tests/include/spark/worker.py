"""Runs the Spark job for the tests: calls come as lines of JSON on stdin, answers go to stdout."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import prepare_features
from pyspark.sql import SparkSession

ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # whatever prints belongs into the log


def rows(uris: list[str]) -> list[dict[str, Any]]:
    session = SparkSession.builder.getOrCreate()
    found = [row.asDict() for uri in uris for row in session.read.parquet(uri).coalesce(1).collect()]
    return [{name: str(value) if name == "date" else value for name, value in row.items()} for row in found]


FUNCTIONS = {"main": prepare_features.main, "rows": rows}

for line in sys.stdin:
    name, arguments = json.loads(line)
    try:
        answer: dict[str, Any] = {"result": FUNCTIONS[name](*arguments)}
    except BaseException as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    ANSWERS.write(json.dumps(answer) + "\n")
    ANSWERS.flush()
