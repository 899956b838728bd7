"""Lets the kernel find out that a link is dead, also while nobody asks anything over it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

IDLE_SECONDS = 10
INTERVAL_SECONDS = 5
PROBES = 3
UNACKNOWLEDGED_MILLISECONDS = 10_000

_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS),
)
# The same from the server's side, so that what a daemon that vanished has locked is free soon.
SERVER_SETTINGS = {
    "tcp_keepalives_idle": str(IDLE_SECONDS),
    "tcp_keepalives_interval": str(INTERVAL_SECONDS),
    "tcp_keepalives_count": str(PROBES),
    "tcp_user_timeout": str(UNACKNOWLEDGED_MILLISECONDS),
}


def probe_link(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Have the kernel close the connection's socket when the other end has gone; nothing for a Unix socket."""
    link = socket_of(connection)
    if link is not None and link.family in {socket.AF_INET, socket.AF_INET6}:
        for level, option, value in _OPTIONS:
            link.setsockopt(level, option, value)


def socket_of(connection: asyncpg.Connection[asyncpg.Record]) -> socket.socket | None:
    """The socket of a connection, as far as its transport shows it."""
    transport = getattr(connection, "_transport", None)  # there is no public way to it
    found: socket.socket | None = None if transport is None else transport.get_extra_info("socket")
    return found
