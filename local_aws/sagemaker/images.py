"""Which container images are played: the managed XGBoost image of the version in ``.venv-sagemaker``.

https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html#xgboost-modes
"""

from __future__ import annotations

import re

from moto.sagemaker.exceptions import ValidationError

XGBOOST_VERSION = "3.0-5"

_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
    r"/(?P<repository>[^:@]+):(?P<tag>[\w.-]+)"
)


def check_image(uri: str, region: str) -> None:
    """Refuse an image that is not played.

    :raises ValidationError: with the reason.
    """
    image = _IMAGE.fullmatch(uri)
    if image is None:
        raise ValidationError(
            f"Invalid image URI {uri}. Please provide a valid Amazon Elastic Container Registry path."
        )
    if image["region"] != region:
        raise ValidationError(
            f"Image {uri} is in {image['region']}; SageMaker in {region} pulls from {region} only."
        )
    if image["repository"] != "sagemaker-xgboost" or image["tag"] not in (
        XGBOOST_VERSION,
        f"{XGBOOST_VERSION}-cpu-py3",
    ):
        raise ValidationError(f"The embedded AWS plays sagemaker-xgboost:{XGBOOST_VERSION} only, not {uri}.")
