"""EMR's addresses."""

from __future__ import annotations

from moto.emr.urls import url_bases

from local_aws.emr.responses import ElasticMapReduceResponse

__all__ = ["url_bases", "url_paths"]

url_paths = {"{0}/$": ElasticMapReduceResponse.dispatch}
