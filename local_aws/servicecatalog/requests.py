"""What all operations share: parameters that are not played are refused, lists come in pages."""

from __future__ import annotations

from typing import Any, cast

from moto.servicecatalog.responses import ServiceCatalogResponse as MotoServiceCatalogResponse

from local_aws.servicecatalog.exceptions import InvalidParameters
from local_aws.servicecatalog.permissions import Caller, caller
from local_aws.servicecatalog.provisioning import ProvisioningBackend

PAGE_SIZE = 20


class ServiceCatalogRequest(MotoServiceCatalogResponse):
    """A request with its parameters parsed by the service's model."""

    def __init__(self) -> None:
        super().__init__()
        self.automated_parameter_parsing = True

    @property
    def backend(self) -> ProvisioningBackend:
        """The Region's backend."""
        return cast(ProvisioningBackend, self.servicecatalog_backend)

    @property
    def caller(self) -> Caller:
        """Who sent the request."""
        return caller(self.access_key, self.current_account, self.region)

    def given(self, *supported: str) -> dict[str, Any]:
        """The request's parameters.

        :raises InvalidParameters: one is given that is not in ``supported``; messages exist in English only.
        """
        params = {key: value for key, value in self.params.items() if value is not None}
        if params.pop("AcceptLanguage", "en") != "en":
            raise InvalidParameters("local_aws answers in English only.")
        extra = sorted(set(params) - set(supported))
        if extra:
            raise InvalidParameters(f"local_aws does not play the parameter {', '.join(extra)}.")
        return params


def paged(items: list[Any], key: str, params: dict[str, Any]) -> dict[str, Any]:
    """One page of a list.

    :raises InvalidParameters: the token is none of ours.
    """
    token = params.get("PageToken", "0")
    if not token.isdigit():
        raise InvalidParameters("Invalid page token.")
    start, size = int(token), params.get("PageSize") or PAGE_SIZE
    page: dict[str, Any] = {key: items[start : start + size]}
    if start + size < len(items):
        page["NextPageToken"] = str(start + size)
    return page


def one_of(params: dict[str, Any], id_key: str, name_key: str) -> tuple[str | None, str | None]:
    """A resource's id or name.

    :raises InvalidParameters: both are given, or neither.
    """
    if bool(params.get(id_key)) == bool(params.get(name_key)):
        raise InvalidParameters(f"Either {id_key} or {name_key} must be specified, and not both.")
    return params.get(id_key), params.get(name_key)
