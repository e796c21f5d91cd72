"""Where the server may listen: it takes any credentials."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local_aws import address

CONTAINERS = {"10.9.0.0/16": "AirflowSecurityGroup", "127.0.0.2": "StudioSecurityGroup"}


@pytest.mark.parametrize("host", ["0.0.0.0", "10.9.0.5", "no-such-host.invalid"])  # noqa: S104
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(address.AddressRefused, match="LOCAL_AWS_SOURCES"):
        address.check(host, 0)


def test_it_listens_in_a_network_whose_machines_may_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "settings", replace(address.settings, sources=CONTAINERS))
    with pytest.raises(address.PortInUse):  # this machine has no such address, so it can't be bound
        address.check("10.9.0.5", 0)
    address.check("localhost", 0)


@pytest.mark.parametrize("source", ["8.8.8.0/24", "0.0.0.0/0", "10.9.0.5"])
def test_a_public_network_or_a_single_caller_is_nothing_to_listen_in(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {source: "AirflowSecurityGroup"}
    monkeypatch.setattr(address, "settings", replace(address.settings, sources=sources))
    with pytest.raises(address.AddressRefused):
        address.check("8.8.8.8" if source.startswith("8.") else "10.9.0.5", 0)
