"""A PostgreSQL server of the daemon's own, for an installation that has none.

It listens on a Unix socket only, keeps its data in the state folder, is restarted when it crashes and ends however the
daemon ends, kill -9 included.
"""

from __future__ import annotations

from crmd.embedded.binaries import Binaries, find_binaries
from crmd.embedded.parameters import DURABLE, THROWAWAY
from crmd.embedded.server import EmbeddedServer
from crmd.embedded.supervisor import running_embedded, temporary_embedded

__all__ = [
    "DURABLE",
    "THROWAWAY",
    "Binaries",
    "EmbeddedServer",
    "find_binaries",
    "running_embedded",
    "temporary_embedded",
]
