"""Routes of CloudFormation."""

from moto.cloudformation.urls import url_bases

from local_aws.cloudformation.responses import CloudFormationResponse

__all__ = ["url_bases", "url_paths"]

url_paths = {"{0}/$": CloudFormationResponse.dispatch}
