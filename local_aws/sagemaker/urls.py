"""Routes of SageMaker."""

from moto.sagemaker.urls import url_bases

from local_aws.sagemaker.responses import SageMakerResponse

__all__ = ["url_bases", "url_paths"]

url_paths = {"{0}/$": SageMakerResponse.dispatch}
