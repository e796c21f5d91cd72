"""Service Catalog's errors, all HTTP 400.

https://docs.aws.amazon.com/servicecatalog/latest/dg/CommonErrors.html
"""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class ResourceNotFound(ServiceException):
    """The resource does not exist, or the caller may not use it: Service Catalog does not tell which."""

    code = "ResourceNotFoundException"


class InvalidParameters(ServiceException):
    """A parameter is wrong, or is one that the embedded AWS does not play."""

    code = "InvalidParametersException"


class DuplicateResource(ServiceException):
    """The resource exists already."""

    code = "DuplicateResourceException"


class ResourceInUse(ServiceException):
    """Something still depends on the resource."""

    code = "ResourceInUseException"


class UnderChange(ServiceException):
    """The provisioned product is in the middle of another operation."""

    code = "ValidationException"
