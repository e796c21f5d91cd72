"""Routes of S3: moto's own, to our responses."""

from moto.s3.urls import url_bases
from moto.s3.urls import url_paths as moto_paths

from local_aws.s3.responses import S3Response

__all__ = ["url_bases", "url_paths"]

url_paths = {path: getattr(S3Response, dispatch.__name__) for path, dispatch in moto_paths.items()}
