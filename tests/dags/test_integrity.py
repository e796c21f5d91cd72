"""What holds for every DAG."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from copy import copy
from datetime import timedelta

import pytest
from airflow.sdk import XComArg

from tests.airflow_names import DAG_BAG, ParamValidationError, is_arg_set
from tests.dags.conftest import DAGS_FOLDER, PROJECT

MAX_PARSE_SHARE = 0.1
"""Of the processor time that importing Airflow itself takes in the same process."""

UNIT = re.compile(r"\((s|h|days|USD|number|levels|share|rows)\)$")

PARSE_SCRIPT = f"""
import json, socket, sys, time
start = time.process_time()
import airflow.sdk
import airflow.providers.amazon.aws.operators.base_aws, airflow.providers.amazon.aws.sensors.base_aws
import airflow.triggers.base, botocore.waiter, requests
from {DAG_BAG} import DagBag
imported = time.process_time() - start

connections = []
connect = socket.socket.connect
def record(self, address):
    connections.append(str(address))
    return connect(self, address)
socket.socket.connect = record

compiled = compile(open(sys.argv[1]).read(), sys.argv[1], "exec")
start = time.process_time()
exec(compiled, {{"__name__": "parsed_dag", "__file__": sys.argv[1]}})
print(json.dumps({{"share": (time.process_time() - start) / imported, "connections": connections}}))
"""

DAG_FILES = sorted(DAGS_FOLDER.glob("*.py"))


@pytest.mark.parametrize("dag_file", DAG_FILES, ids=lambda path: path.stem)
def test_parses_quickly_and_opens_no_connection(dag_file):
    output = subprocess.run(
        [sys.executable, "-c", PARSE_SCRIPT, str(dag_file)],
        check=True,
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={
            "PATH": "",
            "PYTHONPATH": str(PROJECT / "plugins"),
            "AIRFLOW_HOME": str(PROJECT / "var" / "test-airflow"),
        },
    ).stdout
    measured = json.loads(output.splitlines()[-1])
    assert measured["connections"] == []
    assert measured["share"] < MAX_PARSE_SHARE


def test_each_file_defines_the_dag_it_is_named_for(dags):
    assert set(dags) == {path.stem for path in DAG_FILES}


def test_every_dag_documents_itself_and_is_tagged(dags):
    for dag in dags.values():
        assert dag.doc_md
        assert {"sagemaker", "emr"} <= set(dag.tags)


def test_every_task_retries_but_those_that_only_choose(dags):
    for dag in dags.values():
        for task in dag.tasks:
            if task.task_id.split(".")[-1] not in ("choose_action", "approve_plan"):
                assert task.retries >= 2, task.task_id
                assert task.retry_exponential_backoff, task.task_id


def test_no_retry_comes_after_minutes_however_often_its_task_was_cleared(dags):
    for dag in dags.values():
        for task in dag.tasks:
            if task.retries:
                assert task.retry_delay <= task.max_retry_delay <= timedelta(minutes=2), task.task_id


def test_every_wait_is_deferrable(dags):
    waits = [t for dag in dags.values() for t in dag.tasks if hasattr(t, "deferrable")]
    assert len(waits) >= 10
    for task in waits:
        assert task.deferrable, task.task_id


def form_fields(dags):
    """DAG, name and field of every form."""
    return [
        (dag_id, name, dag.params.get_param(name))
        for dag_id, dag in sorted(dags.items())
        for name in dag.params
    ]


def test_every_form_field_has_a_title_a_section_a_description_and_bounds(dags):
    for dag_id, name, field in form_fields(dags):
        assert field.schema.get("title"), (dag_id, name)
        assert field.schema.get("section"), (dag_id, name)
        assert field.description, (dag_id, name)
        keys = {*field.schema, *field.schema.get("items", {})}
        bounded = {"enum", "pattern", "format", "minimum", "const"} & keys
        assert bounded or field.schema["type"] == "boolean", (dag_id, name)


def test_every_number_of_a_form_has_its_unit_in_its_title_and_an_end_on_both_sides(dags):
    numbers = 0
    for dag_id, name, field in form_fields(dags):
        kinds = field.schema["type"] if isinstance(field.schema["type"], list) else [field.schema["type"]]
        if {"integer", "number"} & {*kinds}:
            numbers += 1
            assert UNIT.search(field.schema["title"]), (dag_id, name)
            assert "enum" in field.schema or {"minimum", "maximum"} <= {*field.schema}, (dag_id, name)
    assert numbers > 20


def test_every_pattern_of_a_form_has_its_rule_in_words_where_it_is_read_and_in_what_airflow_answers(dags):
    patterns = 0
    for dag_id, name, field in form_fields(dags):
        if "pattern" in {*field.schema, *field.schema.get("items", {})}:
            patterns += 1
            assert field.schema["allowed"] in field.description, (dag_id, name)
            wrong = "\x00" if field.schema["type"] == "string" else ["\x00"]
            with pytest.raises(ParamValidationError) as refused:
                copy(field).resolve(wrong)
            words = " ".join(str(refused.value).replace("'", "").split())
            assert " ".join(field.schema["allowed"].split()[:3]) in words, (dag_id, name)
            for example in field.schema.get("examples", []):
                copy(field).resolve(example)
            assert field.schema.get("examples") or field.value, (dag_id, name)
    assert patterns > 20


def test_the_defaults_of_a_form_pass_its_own_rules(dags):
    for _, _, field in form_fields(dags):
        if is_arg_set(field.value):
            copy(field).resolve()
        assert all(
            choice in field.schema.get("enum", []) for choice in field.schema.get("values_display", {})
        )


def test_a_single_value_is_taken_only_of_tasks_that_push_their_values_singly(dags):
    taken = 0
    for dag in dags.values():
        for task in dag.tasks:
            for field in task.template_fields:
                for reference in XComArg.iter_xcom_references(getattr(task, field, None)):
                    if reference[1] != "return_value":
                        taken += 1
                        assert getattr(reference[0], "multiple_outputs", False), (task.task_id, field)
    assert taken >= 10


def test_no_dag_renders_templates_to_native_objects(dags):
    for dag in dags.values():
        assert dag.render_template_as_native_obj is False


def test_every_failure_is_told_where_the_environment_names_a_notifier():
    script = (
        "import json; from pathlib import Path\n"
        f"from {DAG_BAG} import DagBag\n"
        f"bag = DagBag({str(DAGS_FOLDER)!r})\n"
        "assert not bag.import_errors, bag.import_errors\n"
        "tell = {d.dag_id: [d.on_failure_callback.__name__, *{t.on_failure_callback[0].__name__"
        " if t.on_failure_callback else None for t in d.tasks}] for d in bag.dags.values()}\n"
        "print(json.dumps(tell))"
    )
    env = {
        "PATH": "",
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}",
        "AIRFLOW_HOME": str(PROJECT / "var" / "test-airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "SAGEMAKER_EMR_NOTIFIER": "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
        "SAGEMAKER_EMR_NOTIFIER_KWARGS": '{"to": "team@example.com"}',
    }
    output = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=PROJECT, env=env
    ).stdout
    told = json.loads(output.splitlines()[-1])
    assert set(told) == {path.stem for path in DAG_FILES}
    assert {tuple(callbacks) for callbacks in told.values()} == {("run_failed", "budget_passed")}
