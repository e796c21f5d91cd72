from __future__ import annotations

import re

import pytest

from sagemaker_emr import names


def test_the_same_key_gives_the_same_name():
    assert names.derive("cluster", "dev", "dag", "run") == names.derive("cluster", "dev", "dag", "run")


@pytest.mark.parametrize(
    "other",
    [("cluster", "prod", "dag", "run"), ("cluster", "dev", "dag", "run2"), ("batch", "dev", "dag", "run")],
)
def test_another_key_gives_another_name(other):
    assert names.derive(*other) != names.derive("cluster", "dev", "dag", "run")


def test_parts_of_a_key_do_not_run_together():
    assert names.digest("a", "bc") != names.digest("ab", "c")


def test_the_generation_is_part_of_the_name():
    assert names.derive("cluster", "dev", generation=2).endswith("-2")
    with pytest.raises(ValueError, match="starts at 1"):
        names.derive("cluster", "dev", generation=0)


@pytest.mark.parametrize("purpose", ["cluster", "x" * 200, "Zug über Köln/2013!", "a--b-"])
def test_a_name_fits_the_narrowest_service(purpose):
    name = names.derive(purpose, "dev", generation=12)
    assert len(name) <= names.MAX_NAME_CHARACTERS
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", name)


def test_stack_names_name_their_environment():
    assert names.stack_name("dev", "network") == "sagemaker-emr-dev-network"


def test_tags_name_what_is_known_in_characters_every_service_takes():
    tags = names.tags("dev", dag_id="train", run_id="manual__2013-02-14T00:00:00+00:00 (é)")
    assert set(tags) == {"sagemaker-emr:environment", "sagemaker-emr:dag", "sagemaker-emr:run"}
    assert tags["sagemaker-emr:run"] == "manual__2013-02-14T00:00:00+00:00 ___"
    assert names.to_tag_list({"b": "2", "a": "1"}) == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
