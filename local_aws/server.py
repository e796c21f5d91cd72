"""The HTTP server."""

from __future__ import annotations

from typing import Any

from cheroot.wsgi import Gateway_10, Server
from moto.core.request import environ_key_for_header
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local_aws.registry import register


class _Gateway(Gateway_10):
    """cheroot's gateway with the two things moto's S3 needs: the raw target, and header names as sent."""

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        uri = self.req.uri
        environ["RAW_URI"] = uri.decode() if isinstance(uri, bytes) else uri
        environ["moto.preserved_header_names"] = {
            environ_key_for_header(name.decode()): name.decode().lower()
            for name in self.req.inheaders
            if b"_" in name
        }
        return environ


def create_server(host: str, port: int) -> Server:
    """A server ready to be started; ``start()`` serves until ``stop()`` is called from another thread."""
    register()
    server = Server((host, port), DomainDispatcherApplication(create_backend_app), numthreads=32)
    server.gateway = _Gateway
    return server
