"""A notebook for a live cluster, handed out once the connection is proven."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import requests
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context
from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr import names, notebooks
from sagemaker_emr.connection_proof import ConnectionProof
from sagemaker_emr.exceptions import LivyUnreachable, SageMakerEmrError
from sagemaker_emr.hooks.emr import EmrHook
from sagemaker_emr.hooks.s3 import ArtifactsHook

PROOF_TIMEOUT_SECONDS = 300


class SageMakerConnectNotebookOperator(AwsBaseOperator[EmrHook]):
    """Proves that a Studio notebook will connect to a cluster, then stages one that does.

    It waits in the worker: a PySpark session must end with the process that uses it. The session is deleted
    whatever happens; should the worker vanish, Livy ends it two minutes later.

    :param studio_security_group_ids: the groups of Studio's apps.
    :param bucket: where the notebook goes, under a key made from its content.
    :param timeout_seconds: for the session.
    :return: ``snippet``, ``notebook`` (its ``s3://`` address), and ``proof``: names, verdicts, what was read.
    :raises LivyUnreachable: a proof failed; with the fix.
    """

    aws_hook_class = EmrHook
    template_fields: Sequence[str] = aws_template_fields("cluster_id", "studio_security_group_ids", "bucket")

    def __init__(
        self,
        *,
        cluster_id: str,
        studio_security_group_ids: list[str],
        bucket: str,
        timeout_seconds: float = PROOF_TIMEOUT_SECONDS,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.cluster_id = cluster_id
        self.studio_security_group_ids = studio_security_group_ids
        self.bucket = bucket
        self.timeout_seconds = timeout_seconds
        self._proof: ConnectionProof | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        snippet, notebook = notebooks.snippet(self.cluster_id), notebooks.notebook(self.cluster_id)
        self._proof = ConnectionProof(
            self.cluster_id,
            self.studio_security_group_ids,
            session_name=names.derive("proof", self.cluster_id, context["ti"].dag_id, context["ti"].run_id),
            deadline_at=time.time() + self.timeout_seconds,
            connection=self._hook_parameters,
        )
        proofs = self._proof.run()
        for proof in proofs:
            self.log.info("%s", proof)
        failed = [proof for proof in proofs if proof.verdict == "failed"]
        if failed:
            raise LivyUnreachable(
                f"A notebook would not connect to cluster {self.cluster_id}",
                reason=f"{failed[0].name}: {failed[0].read}",
                next_step=failed[0].fix,
            )
        hook = ArtifactsHook(**self._hook_parameters)
        uri = hook.put_data_by_content(self.bucket, "notebooks", notebook, f"{self.cluster_id}.ipynb")
        self.log.info("In a notebook, or by %s:\n%s", uri, snippet)
        return {"snippet": snippet, "notebook": uri, "proof": [proof.to_dict() for proof in proofs]}

    def on_kill(self) -> None:
        if self._proof is None:
            return
        try:
            self._proof.delete_session()
        except (BotoCoreError, ClientError, SageMakerEmrError, requests.RequestException) as error:
            self.log.warning("Livy ends session %s by itself: %s", self._proof.session_name, error)
