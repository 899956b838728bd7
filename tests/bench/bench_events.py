"""Emits events, folds them into both built-in projections, rebuilds those, and compares the rows.

Usage: bench_events.py [EVENTS] [WORKSPACES]. It fails only where the rebuilt rows differ from the live ones.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from crmd.composition import opened
from crmd.config.loading import Config
from crmd.config.settings import Database, Plugins, Vault
from crmd.events.projecting import Projecting
from crmd.plugins import installed
from crmd.secret import Secret
from crmd.store.queries import load_queries
from crmd.testing.databases import TestServer

if TYPE_CHECKING:
    from crmd.store.pools import Pool

SQL = load_queries("crmd.store")
INTERACTIONS = (Path(__file__).parents[1] / "engine" / "interactions.sql").read_text("utf-8")
CHUNK = 2000
CONTACTS = 2000
SUMS = {
    "contact-stats": "SELECT count(*), md5(string_agg(s::text, ' ' ORDER BY s.workspace_id, s.contact_id))"
    " FROM contacts.contact_stats s",
    "user-activity": "SELECT count(*), md5(string_agg(a::text, ' ' ORDER BY a.workspace_id, a.user_id))"
    " FROM crm.user_activity a",
}
PLUGINS = ("crm", "contacts")


def say(line: str) -> None:
    """One figure."""
    sys.stdout.write(f"{line}\n")


async def emit_all(pool: Pool, events: int, workspaces: int) -> int:
    """Emit about so many interactions, a chunk of one workspace after the other."""
    tenants = [(uuid4(), uuid4()) for _ in range(workspaces)]
    done = 0
    turn = 0
    while done < events:
        workspace_id, user_id = tenants[turn % workspaces]
        done += await pool.fetchval(INTERACTIONS, workspace_id, user_id, CHUNK, CONTACTS, f"{workspace_id}{turn}")
        turn += 1
    return done


async def catch_up(projecting: Projecting) -> float:
    """Fold until nothing is behind; answers the seconds it took."""
    began = time.perf_counter()
    while await projecting.project_once() <= 0:
        pass
    return time.perf_counter() - began


async def measure(dsn: str, events: int, workspaces: int) -> bool:
    """Run it all on a fresh database; whether the rebuilt rows are equal."""
    entries = {name: installed()[name] for name in PLUGINS}
    with tempfile.TemporaryDirectory() as folder:
        config = Config(
            state_dir=Path(folder),
            database=Database(dsn=Secret(dsn)),
            plugins=Plugins(enabled=PLUGINS),
            vault=Vault(master_key=Secret("A" * 43 + "=")),
        )
        async with opened(config, entries=entries) as everything:
            services = everything.services
            pool = services.pools.plugins
            projecting = Projecting(
                services.pools.plugins, services.projections, is_role_changed=services.is_role_changed
            )
            await catch_up(projecting)
            began = time.perf_counter()
            count = await emit_all(pool, events, workspaces)
            say(f"emit: {count:,} events of {workspaces} workspaces, {count / (time.perf_counter() - began):,.0f}/s")
            seconds = await catch_up(projecting)
            say(f"live: both projections, {seconds:.1f} s, {count / seconds:,.0f} events/s")
            live = {name: tuple(await pool.fetchrow(query) or ()) for name, query in SUMS.items()}
            for name in SUMS:
                await pool.fetchval(SQL.projection_rebuild, name)
            seconds = await catch_up(projecting)
            say(f"rebuild: both, and the old rows cleared, {seconds:.1f} s, {count / seconds:,.0f} events/s")
            rebuilt = {name: tuple(await pool.fetchrow(query) or ()) for name, query in SUMS.items()}
    for name in SUMS:
        say(f"{name}: {live[name][0]:,} rows, {'equal' if live[name] == rebuilt[name] else 'DIFFERENT'}")
    return live == rebuilt


async def main(events: int, workspaces: int) -> int:
    """A database of its own, dropped at the end."""
    with TestServer() as server:
        name = await server.create()
        is_equal = await measure(server.dsn(name), events, workspaces)
        await server.drop(name)
    return 0 if is_equal else 1


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(asyncio.run(main(*(numbers + [1_000_000, 20][len(numbers) :]))))
