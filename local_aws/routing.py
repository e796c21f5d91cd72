"""``python -m local_aws.routing --user NAME COMMAND…``: leads the clusters' addresses here, runs the command.

For a container whose neighbours are to reach the clusters: ``local`` routes for a part of the container
network make the kernel answer for every address of it, ARP requests included, without any being assigned
(ip-route(8), "local"). That takes CAP_NET_ADMIN; the command runs as the user, without any capability.
https://man7.org/linux/man-pages/man7/rtnetlink.7.html
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv4Network

import click

from local_aws.settings import settings

# linux/netlink.h and linux/rtnetlink.h
NLM_F_REQUEST_ACK_CREATE_REPLACE = 0x1 | 0x4 | 0x400 | 0x100
NLMSG_ERROR = 2
RTM_NEWROUTE = 24
RTA_DST, RTA_OIF = 1, 4
RT_TABLE_LOCAL, RTPROT_BOOT, RT_SCOPE_HOST, RTN_LOCAL = 255, 3, 254, 2


def lead_here(network: IPv4Network) -> None:
    """Have this machine answer for every address of a network; nothing changes if it does so already.

    :raises OSError: CAP_NET_ADMIN is missing.
    """
    attributes = [(RTA_DST, network.network_address.packed), (RTA_OIF, _u32(socket.if_nametoindex("lo")))]
    route = struct.pack(
        "=8BI",
        socket.AF_INET,
        network.prefixlen,
        0,
        0,
        RT_TABLE_LOCAL,
        RTPROT_BOOT,
        RT_SCOPE_HOST,
        RTN_LOCAL,
        0,
    )
    route += b"".join(struct.pack("=HH", 4 + len(value), kind) + value for kind, value in attributes)
    header = struct.pack("=IHHII", 16 + len(route), RTM_NEWROUTE, NLM_F_REQUEST_ACK_CREATE_REPLACE, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        kernel.send(header + route)
        answer = kernel.recv(4096)
    (kind,) = struct.unpack_from("=H", answer, 4)
    (error,) = struct.unpack_from("=i", answer, 16)
    if kind != NLMSG_ERROR or error:
        raise OSError(-error, f"{network} can't be led here: {os.strerror(-error)}; it takes CAP_NET_ADMIN")


def become(user: str) -> None:
    """Go on as a user, without the capabilities of root."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir


def _u32(number: int) -> bytes:
    return struct.pack("=I", number)


@click.command(help=__doc__, context_settings={"ignore_unknown_options": True})
@click.option("--user", required=True, help="Runs the command.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def main(user: str, command: Sequence[str]) -> None:
    """Route, drop every privilege, become the command."""
    try:
        lead_here(settings.cluster_addresses)
    except OSError as error:
        raise click.ClickException(str(error.strerror)) from error
    become(user)
    os.execvp(command[0], list(command))  # noqa: S606


if __name__ == "__main__":
    main(prog_name="python -m local_aws.routing")
