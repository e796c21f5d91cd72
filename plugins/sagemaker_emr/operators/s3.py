"""Stages files of ``include/`` to S3 by their content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk import Context

from sagemaker_emr import staging
from sagemaker_emr.hooks.s3 import ArtifactsHook, split_uri


class S3StageFilesOperator(AwsBaseOperator[ArtifactsHook]):
    """Puts files and folders under keys made from their content; what is there already is not sent again.

    A template's ``@{name}`` is replaced by its substitution, or by the address of a file staged before it
    in ``files``.

    :param files: logical name to path below ``include/``, staged in this order.
    :param directories: the same for folders, each packed as ``sourcedir.tar.gz``.
    :param substitutions: values for the templates' placeholders.
    :return: by logical name: ``<name>`` the ``s3://`` address, ``<name>_sha256`` the content's hash, and for
        templates ``<name>_url``, the form CloudFormation and Service Catalog take.
    """

    aws_hook_class = ArtifactsHook
    template_fields: Sequence[str] = aws_template_fields("bucket", "files", "directories", "substitutions")

    def __init__(
        self,
        *,
        bucket: str,
        files: dict[str, str] | None = None,
        directories: dict[str, str] | None = None,
        substitutions: dict[str, str] | None = None,
        multiple_outputs: bool = True,
        **kwargs: object,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.bucket = bucket
        self.files = files or {}
        self.directories = directories or {}
        self.substitutions = substitutions or {}

    def execute(self, context: Context) -> dict[str, str]:
        staged: dict[str, str] = {}
        for name, relative in {**self.files, **self.directories}.items():
            path = staging.include_path(relative)
            uri = self._stage(path, {**self.substitutions, **staged})
            _, key = split_uri(uri)
            staged[name] = uri
            staged[f"{name}_sha256"] = key.split("/")[-2]
            if path.suffix in staging.TEMPLATE_SUFFIXES:
                staged[f"{name}_url"] = staging.https_url(
                    self.bucket, key, self.hook.conn_region_name, self.hook.conn_partition
                )
        return staged

    def _stage(self, path: Path, values: dict[str, str]) -> str:
        prefix = staging.key_prefix(path)
        hook: ArtifactsHook = self.hook
        if path.suffix not in staging.TEMPLATE_SUFFIXES:
            return hook.put_by_content(self.bucket, prefix, path)
        text = staging.fill_in(path.read_text(), values, path.name)
        return hook.put_data_by_content(self.bucket, prefix, text.encode(), path.name)
