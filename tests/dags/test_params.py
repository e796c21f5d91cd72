"""Nothing that a run's conf says reaches AWS or Spark without a check of its form."""

from __future__ import annotations

import re

import pytest

CHECKED = ("enum", "pattern", "format", "const")
SAMPLES = (
    *("dev", "ada", "cluster-1", "j-2AXXXXXXGAPLF", "ml.m5.large", "10.42.0.0/16", "artifacts-x"),
    *("vpc-0a1b2c3d", "subnet-0a1b2c3d", "s3://bucket/wheels/x", "arn:aws:iam::123456789012:role/x"),
    "ada=arn:aws:iam::123456789012:role/x",
)
MORE = ("\n", "\nx", "\r", "\t", " x", "\x00", "{{ x }}", "$(x)", "`x`", ";x", "'x", '"x', "\u00e9")
"""What follows a name and has a meaning to a log, a shell or a template; Python's ``$`` takes a line feed."""


def texts(schema):
    """The schemas in one that take any text."""
    kinds = schema.get("type")
    if "string" in (kinds if isinstance(kinds, list) else [kinds]):
        yield schema
    for part in [schema.get("items"), *schema.get("anyOf", []), *schema.get("oneOf", [])]:
        if isinstance(part, dict):
            yield from texts(part)


def fields(dags):
    """DAG and name of each text field of a form, with its schema."""
    return [
        (dag_id, name, schema)
        for dag_id, dag in sorted(dags.items())
        for name in dag.params
        for schema in texts(dag.params.get_param(name).schema)
    ]


def test_every_text_of_a_form_has_a_list_a_pattern_or_a_format(dags):
    found = fields(dags)
    assert [(dag, name) for dag, name, schema in found if not any(kind in schema for kind in CHECKED)] == []
    assert len(found) > 40


def test_no_pattern_lets_through_what_is_more_than_a_name(dags):
    patterns = {schema["pattern"]: name for _, name, schema in fields(dags) if "pattern" in schema}
    for pattern, name in patterns.items():
        good = [sample for sample in SAMPLES if re.search(pattern, sample)]
        assert good, f"no sample of {name}: add one"
        assert [text for text in good for more in MORE if re.search(pattern, text + more)] == [], name


@pytest.mark.parametrize("bucket", ["s3://x", "../x", "X", "a b", "xyz\n", "a{{ x }}"])
def test_a_provider_takes_no_bucket_that_is_none(dags, bucket):
    param = dags["provide_shared_cluster"].params.get_param("lease_bucket")
    with pytest.raises(Exception, match="does not match"):
        param.resolve(bucket)
