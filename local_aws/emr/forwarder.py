"""The security group before a cluster's Livy: port 8998 of the cluster's address.

A security group drops what it does not admit: nobody answers, and the connection attempt times out. So that
it does here too, two sockets listen on the port (``SO_REUSEPORT`` of socket(7)). A classic BPF program leads
admitted sources to the one that is served, and all others to one that takes packets of the highest time to
live only (``IP_MINTTL``), which Linux does not send by itself: the kernel drops the rest without an answer.
Neither takes a privilege; a filter on the listening socket itself (``SO_ATTACH_FILTER``) takes CAP_NET_ADMIN
since Linux commit 5d39580f68e6 of 2026. Connections that are there already stay when a rule goes, as tracked
connections do on AWS.

What differs from AWS: Livy itself listens on another loopback address, which nothing tells but which any
process of this machine could find; a changed rule takes up to ``LOOK_SECONDS``; and in the half second before
a dead Livy is noticed connections are reset instead of refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import socket
import struct
import threading
from collections.abc import Callable, Collection
from ipaddress import IPv4Network

from local_aws import persistence
from local_aws.emr.addresses import LIVY_PORT
from local_aws.persistence import perishing

LOOK_SECONDS = 0.2
CLOSE_SECONDS = 5.0
CHUNK_BYTES = 65536

# asm-generic/socket.h, linux/in.h and linux/filter.h; Python's socket module does not name them.
SO_ATTACH_REUSEPORT_CBPF = 51
IP_MINTTL = 21
HIGHEST_TTL = 255
LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K
SOURCE_ADDRESS = 0xFFF00000 + 12  # SKF_NET_OFF, and the source's place in an IPv4 header
SILENT, SERVED = 0, 1
"""The places of the two sockets among those of the port: in the order in which they began to listen."""

log = logging.getLogger(__name__)


class Forwarder:
    """Listens on a cluster's address at once, and passes admitted connections on until it is closed.

    :param address: the cluster's address.
    :param livy_address: where Livy listens.
    :param admitted: tells the source addresses and networks that are admitted just now; asked all the time.
    :raises OSError: the port is taken.
    """

    def __init__(self, address: str, livy_address: str, admitted: Callable[[], Collection[str]]) -> None:
        self._livy_address = livy_address
        self._ask = admitted
        self._admitted = frozenset(admitted())
        self._loop = asyncio.new_event_loop()
        self._closed = asyncio.Event()
        self._silent, self._served = socket.socket(), socket.socket()
        try:
            self._listen(address)
        except OSError:
            self._close_sockets()
            raise
        run = persistence.background(self._run)
        self._thread = threading.Thread(target=run, name=f"forwarder {address}", daemon=True)
        self._thread.start()
        perishing.note(self)

    def close(self) -> None:
        """Stop listening and end every connection; may be called twice."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it ended by itself meanwhile
                self._loop.call_soon_threadsafe(self._closed.set)
            self._thread.join(CLOSE_SECONDS)

    def perish(self) -> None:
        """Stop listening without waiting for the connections' end, for the server's own."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._closed.set)
        self._close_sockets()

    def _listen(self, address: str) -> None:
        """The silent socket first, so that at no moment a source gets in that is not admitted."""
        for listener in (self._silent, self._served):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((address, LIVY_PORT))
        self._silent.setsockopt(socket.IPPROTO_IP, IP_MINTTL, HIGHEST_TTL)
        serve_only(self._silent, self._admitted)
        self._silent.listen()
        self._served.listen(socket.SOMAXCONN)

    def _close_sockets(self) -> None:
        self._served.close()
        self._silent.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._forward, sock=self._served)
        while not self._closed.is_set():
            self._look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), LOOK_SECONDS)
        server.close()
        self._close_sockets()

    def _look(self) -> None:
        """Bring the filter up to date; what can't be read just now is read at the next look."""
        try:
            admitted = frozenset(self._ask())
            if admitted != self._admitted:
                serve_only(self._silent, admitted)
                self._admitted = admitted
        except Exception:
            log.exception("the security groups can't be read")

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            livy_reader, livy_writer = await asyncio.open_connection(self._livy_address, LIVY_PORT)
        except OSError:
            writer.transport.abort()
            return
        try:
            await asyncio.gather(_pump(reader, livy_writer), _pump(livy_reader, writer))
        except asyncio.CancelledError:
            pass  # the forwarder ends; Python 3.11's streams log a task that ends so as an error
        finally:
            writer.close()
            livy_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on one direction of a connection, and its end."""
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


def serve_only(listener: socket.socket, admitted: Collection[str]) -> None:
    """Lead admitted addresses and networks to the served socket of a port, all others to the silent one."""
    networks = [IPv4Network(source) for source in sorted(admitted)]
    program: list[tuple[int, int, int, int]] = []
    for left, network in enumerate(reversed(networks)):
        program = [
            (LOAD_WORD, 0, 0, SOURCE_ADDRESS),
            (AND, 0, 0, int(network.netmask)),
            # Over the steps of the networks that are left, and the one that leads to silence.
            (JUMP_IF_EQUAL, 3 * left + 1, 0, int(network.network_address)),
            *program,
        ]
    program += [(RETURN, 0, 0, SILENT), (RETURN, 0, 0, SERVED)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    listener.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, struct.pack("HP", len(program), ctypes.addressof(code))
    )
