"""Live streams over real daemons and real poolers: what is cut off goes on elsewhere."""

from __future__ import annotations

import dataclasses
import socket
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
import msgspec
import pytest
import sample_jobs
from api_server import api_over
from fleet import running_fleet
from pooler import find_pooler, pooling
from stream_reader import Source, watching

from crmd.secret import Secret
from crmd.store import api_keys
from crmd.store.api_keys import NewKey
from crmd.testing.workbench import open_workbench

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.config.loading import Config
    from crmd.testing.arena import Arena

ENQUEUE = "SELECT crmd.enqueue($1, $2::jsonb, $3)::text"


@pytest.mark.slow
async def test_a_stream_outlives_its_daemon(crmd_dsn: str, tmp_path: Path) -> None:
    """After a kill -9 a watcher goes on at another daemon by the last id, and learns how everything ended."""
    workspace_id = uuid4()
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    async with (
        running_fleet(crmd_dsn, tmp_path, 1, api__listen=addresses[0]) as fleet,
        aiohttp.ClientSession() as session,
    ):
        fleet.start(api__listen=addresses[1])
        await fleet.ready(2)
        key = await api_keys.create(fleet.connection, NewKey(client="test", scopes=("read",), created_by="test"))
        first, second = [Source(session, f"http://{address}", key) for address in addresses]
        path = f"/api/workspaces/{workspace_id}/jobs/stream"

        async def enqueue(milliseconds: int) -> str:
            payload = f'{{"milliseconds": {milliseconds}}}'
            job_id: str = await fleet.connection.fetchval(ENQUEUE, "mark", payload, workspace_id)
            return job_id

        async with watching(first, path) as stream:
            await stream.next()
            lasting = await enqueue(300)
            await stream.until_status(lasting, "processing")
            await fleet.kill(fleet.daemons[0])
            with pytest.raises(aiohttp.ClientError):
                await stream.until(lambda _: False)
            place = stream.place
        meanwhile = await enqueue(0)
        await fleet.until("SELECT count(*) FROM crmd.archive", 1)
        async with watching(second, path, after=place) as stream:
            await stream.until_status(meanwhile, "completed")
            if not any(event.data["id"] == lasting and event.data["status"] == "completed" for event in stream.heard):
                await stream.until_status(lasting, "completed")
            assert {event.name for event in stream.heard} == {"job"}


@pytest.mark.crmd_plugins(sample_jobs)
async def test_streams_live_by_looking_behind_a_pooler(crmd_config: Config, crmd_arena: Arena) -> None:
    """Through PgBouncer in transaction mode, where nothing can be heard, what plain SQL makes is told all the same."""
    program = find_pooler()
    if program is None:
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer)")
    assert crmd_config.database.dsn is not None
    workspace_id = uuid4()
    with pooling(program, crmd_config.database.dsn.reveal()) as dsn:
        pooled: dict[str, Any] = {"dsn": Secret(dsn), "statement_cache": False}
        database = msgspec.structs.replace(crmd_config.database, **pooled)
        config = dataclasses.replace(crmd_config, database=database)
        async with (
            open_workbench(config, crmd_arena.entries) as workbench,
            api_over(workbench) as api,
            watching(api, f"/api/workspaces/{workspace_id}/jobs/stream") as stream,
        ):
            await stream.next()
            job_id = await workbench._pool.fetchval(ENQUEUE, "add-one", b"{}", workspace_id)
            await stream.until_status(job_id, "pending")
            await workbench.drain()
            await stream.until_status(job_id, "completed")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
