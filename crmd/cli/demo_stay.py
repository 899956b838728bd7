"""What `crmd demo --stay` adds: the dashboard with a key, jobs to look at, and a daemon that goes on."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import crmd
from crmd.cli import showcase
from crmd.cli.demo_account import demo_workspace
from crmd.cli.screen import say
from crmd.config.api_settings import Api
from crmd.plugins import ModuleEntry, installed
from crmd.store import api_keys
from crmd.store.api_keys import NewKey

if TYPE_CHECKING:
    from crmd.composition import Opened
    from crmd.plugins import Entry

PLUGIN = "showcase"
REFUSED = ("ada@example.invalid", "bo@example.invalid", "cy@example.invalid")


def entries() -> dict[str, Entry]:
    """The installed plugins, and the one with jobs to look at."""
    return {**installed(), PLUGIN: ModuleEntry(PLUGIN, showcase)}


def free_address() -> Api:
    """The usual address of the API, or another when something listens there."""
    usual = Api()
    for port in (int(usual.listen.rpartition(":")[2]), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return Api(listen=f"127.0.0.1:{probe.getsockname()[1]}", requests_per_minute=6000)
    return usual


async def invite(everything: Opened) -> None:
    """Start the jobs to look at, and tell where the dashboard is."""
    pool, workspace_id = everything.pools.plugins, demo_workspace()
    await crmd.enqueue(pool, showcase.enrich_contacts, {}, workspace_id=workspace_id)
    await crmd.enqueue(pool, showcase.rebuild_index, {}, workspace_id=workspace_id)
    for recipient in REFUSED:
        await crmd.enqueue(pool, showcase.deliver_report, {"recipient": recipient}, workspace_id=workspace_id)
    key = await api_keys.create(pool, NewKey(client="the demo", scopes=("admin",), created_by="crmd demo"))
    say(f"The dashboard: http://{everything.config.api.listen}/")
    say(f"Its key:       {key}")
    say(f"A workspace:   {workspace_id}")
    say("It goes on until Ctrl-C.")
