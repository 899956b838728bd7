"""What `crmd demo --stay` adds: the dashboard with a key, jobs to look at, and a daemon that goes on."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

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
    from crmd.job_type import JobType
    from crmd.plugins import Entry

PLUGIN = "showcase"
REFUSED = (
    *(f"{name}@nowhere.invalid" for name in ("ada", "bo", "cy", "dee")),
    *(f"{name}@full.invalid" for name in ("eve", "flo", "gus")),
    *(f"{name}@strict.invalid" for name in ("hal", "ida")),
)
DELIVERED = 4
FILES = ("deals-march.csv", "deals-april.csv", "deals-may.csv")


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
    """Tell where the dashboard is, and what opens it, before there is much to see: the sync can be watched there."""
    key = await api_keys.create(
        everything.pools.plugins, NewKey(client="the demo", scopes=("admin",), created_by="crmd demo")
    )
    address = f"http://{everything.config.api.listen}/"
    example = urlencode({"workspaceId": demo_workspace(), "type": showcase.enrich_contacts.name})
    say(f"The dashboard: {address}")
    say(f"A front end with toasts: {address}static/example.html#{example}")
    say(f"The key of both: {key}")


async def show(everything: Opened) -> None:
    """Start the jobs to look at: some work, some fail, one takes an hour."""
    for job_type, payloads in _jobs():
        await crmd.enqueue_many(everything.pools.plugins, job_type, payloads, workspace_id=demo_workspace())
    say("Jobs to look at are under way: cancel what runs, retry what failed, redrive dead letters.")
    say("It goes on until Ctrl-C.")


def _jobs() -> list[tuple[JobType, list[dict[str, Any]]]]:
    delivered = [{"recipient": f"reader-{number}@nordwerk.example"} for number in range(DELIVERED)]
    return [
        (showcase.enrich_contacts, [{}]),
        (showcase.rebuild_index, [{}]),
        (showcase.import_deals, [{"file": file} for file in FILES]),
        (showcase.deliver_report, [*delivered, *({"recipient": recipient} for recipient in REFUSED)]),
    ]
