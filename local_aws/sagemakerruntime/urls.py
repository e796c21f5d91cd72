"""Routes of the SageMaker runtime."""

from moto.sagemakerruntime.urls import url_bases

from local_aws.sagemakerruntime.responses import SageMakerRuntimeResponse

__all__ = ["url_bases", "url_paths"]

url_paths = {
    "{0}/endpoints/(?P<name>[^/]+)/async-invocations$": SageMakerRuntimeResponse.dispatch,
    "{0}/endpoints/(?P<name>[^/]+)/invocations$": SageMakerRuntimeResponse.dispatch,
}
