"""The HTTP server: cheroot, our front, moto's applications."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from cheroot.wsgi import Gateway_10, Server
from moto.core.request import environ_key_for_header
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local_aws import address, persistence
from local_aws.connection import SOCKET
from local_aws.registry import register
from local_aws.requests import KEPT, Front, RequestLog
from local_aws.settings import ENDPOINT_VARIABLE

THREADS = 32


class Dispatcher(DomainDispatcherApplication):
    """moto's dispatcher, which looks at 175 directories a request unless the answer is kept."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._backends: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        """The service a host name belongs to.

        :raises NotImplementedError: moto has no such service.
        """
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        if host is not None and self._backends[host] is None:
            raise NotImplementedError(f"there is no service at {host}")
        return self._backends[host]


class _Gateway(Gateway_10):
    """cheroot's gateway with the socket, and what moto's S3 needs: the raw target, header names as sent."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        uri = self.req.uri
        environ["RAW_URI"] = uri.decode() if isinstance(uri, bytes) else uri
        environ["moto.preserved_header_names"] = {
            environ_key_for_header(name.decode()): name.decode().lower()
            for name in self.req.inheaders
            if b"_" in name
        }
        environ[SOCKET] = self.req.conn.socket
        return environ


@cache
def application() -> Dispatcher:
    """The one application of this process, with our services registered."""
    register()
    return Dispatcher()


def create_server(host: str, port: int, state: Path | None = None) -> Server:
    """A bound server, ready to ``serve()`` until ``stop()`` is called from another thread.

    :param state: the folder of its state; without one everything is forgotten when the process ends.
    :raises AddressRefused, PortInUse: from ``address``.
    """
    address.check(host, port)
    front = Front(application(), RequestLog())
    if port:  # one on any port is reached by who made it alone, and must not take the place of another
        os.environ[ENDPOINT_VARIABLE] = f"http://{host}:{port}"
    if state is not None:
        kept = persistence.open_folder(state)
        front.log.restore(kept.requests(KEPT), persistence.SEQUENCE_GAP)
    server = Server((host, port), front, numthreads=THREADS, request_queue_size=1024)
    server.gateway = _Gateway
    server.shutdown_timeout = 1
    return server
