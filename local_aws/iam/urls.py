"""Routes of IAM."""

from moto.iam.urls import url_bases

from local_aws.iam.responses import IamResponse

__all__ = ["url_bases", "url_paths"]

url_paths = {"{0}/$": IamResponse.dispatch}
