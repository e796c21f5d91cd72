"""What a person types in a Studio notebook to work on a cluster, and a notebook that does it.

The magic comes with Studio Classic's SparkMagic images and today's SageMaker Distribution:
https://docs.aws.amazon.com/sagemaker/latest/dg/connect-emr-clusters.html
"""

from __future__ import annotations

import json
import re
from typing import Any

from sagemaker_emr.exceptions import InvalidInput

CLUSTER_ID = re.compile(r"j-[0-9A-Z]{1,60}")
STATEMENT = "spark.range(1000).count()"


def snippet(cluster_id: str) -> str:
    """The two lines that connect a notebook to a cluster.

    :raises InvalidInput: it is no cluster's id.
    """
    if not CLUSTER_ID.fullmatch(cluster_id):
        raise InvalidInput(f"{cluster_id!r} is no EMR cluster id", reason="expected j- and letters or digits")
    return (
        "%load_ext sagemaker_studio_analytics_extension.magics\n"
        f"%sm_analytics emr connect --cluster-id {cluster_id} --auth-type None --language python"
    )


def notebook(cluster_id: str) -> bytes:
    """A notebook (nbformat 4.5) for Studio's Python 3 kernel: connect, then count on the cluster.

    The same for the same cluster, byte for byte.
    """
    cells = [
        _cell("markdown", "about", f"# On EMR cluster {cluster_id}\nRun the cells in order."),
        _cell("code", "connect", snippet(cluster_id)),
        _cell("code", "count", f"%%spark\n{STATEMENT}"),
    ]
    document = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def _cell(kind: str, cell_id: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": cell_id,
        "metadata": {},
        "source": source.splitlines(keepends=True),
    }
    return {**cell, "execution_count": None, "outputs": []} if kind == "code" else cell
