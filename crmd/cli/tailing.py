"""`crmd events tail`: prints events in order as they come. Polling finds them; a notice makes it look sooner."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
import msgspec

from crmd.cli.asking import workspace_of
from crmd.cli.attached import on_database
from crmd.cli.screen import clean
from crmd.errors import ExitCode
from crmd.store.events import settled_seq
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from crmd.config.loading import Config
    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
CHANNEL = "crmd_events"
LOOK_SECONDS = 1.0
WISH_SECONDS = 60.0


def run(arguments: Namespace) -> int:
    """Print events as they come, until Ctrl-C or so many are printed."""

    async def work(pool: Pool, _config: Config) -> int:
        async with pool.acquire() as connection:
            await _follow(pool, connection, arguments)
        return ExitCode.OK

    return on_database(arguments, work)


async def _follow(pool: Pool, connection: Connection, arguments: Namespace) -> None:
    news = anyio.Event()

    def heard(*_: object) -> None:
        news.set()

    await connection.add_listener(CHANNEL, heard)
    listener_id = uuid4()
    workspace_id = workspace_of(arguments.workspace)
    behind = await pool.fetchval(_SQL.event_last)
    wished_at = -WISH_SECONDS
    left = arguments.limit
    while left is None or left > 0:
        if anyio.current_time() - wished_at > WISH_SECONDS / 2:
            wished_at = anyio.current_time()
            for event_type in arguments.type or ("*",):
                await connection.fetch(_SQL.event_listen, event_type, listener_id, WISH_SECONDS)
        news = anyio.Event()
        upto = await settled_seq(pool)
        rows = await pool.fetch(_SQL.event_after, behind, upto, arguments.type, workspace_id) if upto > behind else []
        for row in rows[:left]:
            _print(dict(row), is_json=arguments.is_json)
        left = None if left is None else left - len(rows)
        behind = max(behind, upto)
        if left is None or left > 0:
            with anyio.move_on_after(LOOK_SECONDS):
                await news.wait()


def _print(row: Mapping[str, Any], *, is_json: bool) -> None:
    if is_json:
        sys.stdout.buffer.write(msgspec.json.encode(row, enc_hook=str) + b"\n")
    else:
        about = f"{row['aggregate_type']}/{row['aggregate_id']}" if row["aggregate_type"] else "-"
        words = (str(row["seq"]), row["emitted_at"].astimezone().isoformat(timespec="seconds"), row["type"], about)
        data = msgspec.json.encode(row["data"], enc_hook=str).decode()
        sys.stdout.write(clean("\t".join((*words, data)).replace("\t", "  ")) + "\n")
    sys.stdout.flush()
