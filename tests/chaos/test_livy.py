"""The Livy of a play, as the embedded AWS calls it."""

from __future__ import annotations

from pathlib import Path

from local_aws.emr.addresses import Address
from tests.chaos.livy import Livy


def test_a_livy_that_its_cluster_is_stopping_may_perish(tmp_path: Path) -> None:
    """AWS is restarted while a cluster ends: its thread has begun to stop Livy."""
    address = Address()
    livy = Livy(tmp_path, str(address), "us-east-1")
    livy.start()
    server = livy._server
    assert server is not None
    shut_down = server.shutdown

    def interrupted() -> None:
        livy.perish()
        shut_down()

    server.shutdown = interrupted  # type: ignore[method-assign]
    livy.stop()
    address.release()
    assert livy not in Livy.alive
    assert server.socket.fileno() == -1
