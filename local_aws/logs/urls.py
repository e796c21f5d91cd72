"""Routes of CloudWatch Logs."""

from moto.logs.urls import url_bases

from local_aws.logs.responses import LogsResponse

__all__ = ["url_bases", "url_paths"]

url_paths = {"{0}/$": LogsResponse.dispatch}
