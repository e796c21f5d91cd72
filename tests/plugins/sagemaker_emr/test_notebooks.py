"""The snippet and the notebook that a person gets for a cluster."""

from __future__ import annotations

import json
import re

import pytest

from sagemaker_emr.exceptions import InvalidInput
from sagemaker_emr.notebooks import notebook, snippet

CLUSTER = "j-2AXXXXXXGAPLF"
LINES = [
    "%load_ext sagemaker_studio_analytics_extension.magics",
    f"%sm_analytics emr connect --cluster-id {CLUSTER} --auth-type None --language python",
]


def test_the_snippet_is_the_two_lines_of_the_reference_scenario():
    assert snippet(CLUSTER).splitlines() == LINES


def test_the_notebook_runs_the_snippet_then_counts_on_the_cluster():
    cells = json.loads(notebook(CLUSTER))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert code == ["\n".join(LINES), "%%spark\nspark.range(1000).count()"]


def test_the_notebook_is_nbformat_4_5():
    """https://nbformat.readthedocs.io/en/latest/format_description.html"""
    document = json.loads(notebook(CLUSTER))
    assert set(document) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    assert {"name", "display_name"} <= set(document["metadata"]["kernelspec"])
    ids = [cell["id"] for cell in document["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in document["cells"]:
        assert re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", cell["id"])
        assert cell["metadata"] == {}
        assert all(isinstance(line, str) for line in cell["source"])
        code_only = {"execution_count": None, "outputs": []}
        assert (
            cell.items() >= code_only.items()
            if cell["cell_type"] == "code"
            else code_only.keys().isdisjoint(cell)
        )


def test_the_same_cluster_has_the_same_notebook():
    assert notebook(CLUSTER) == notebook(CLUSTER)


@pytest.mark.parametrize("cluster_id", ["", "j-", "2AXX", "j-2AXX --language scala", "j-2AXX\n%%bash"])
def test_only_a_cluster_id_gets_into_a_notebook(cluster_id):
    with pytest.raises(InvalidInput, match="no EMR cluster id"):
        notebook(cluster_id)
