"""Sending once, with real daemons that are killed, links that are cut, and a receiver that loses its answers."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import anyio
import asyncpg
import msgspec
import pytest
from fleet import Fleet, install_plugin
from tcp_proxy import Proxy, proxying

from crmd.store import effects
from crmd.testing.sandbox import Sink, faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from crmd.testing.databases import TestServer

pytestmark = pytest.mark.slow

PEOPLE = int(os.environ.get("CRMD_TEST_PEOPLE", "60"))
KILLS = int(os.environ.get("CRMD_TEST_KILLS", "6"))
SEED = int(os.environ.get("CRMD_TEST_SEED", "1"))
KINDS = {"send-parked": "mail", "send-probed": "sms"}
SETTLED = """
SELECT (NOT EXISTS (SELECT FROM crmd.lease)
    AND NOT EXISTS (SELECT FROM crmd.job WHERE held IS DISTINCT FROM 'reconcile')
    AND NOT EXISTS (SELECT FROM crmd.effect WHERE state = 'handed_over'))::int
"""


@dataclass
class Scene:
    """What the nemesis works on."""

    fleet: Fleet
    sink: Sink
    to_sink: Proxy
    to_database: Proxy
    chance: random.Random
    listed: set[UUID]


@contextlib.asynccontextmanager
async def _staged(crmd_server: TestServer, crmd_dsn: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """A receiver, a fleet without daemons yet, and links to both that can be cut."""
    host, port = _address(crmd_server.dsn())
    async with Sink.running() as sink:
        sink_at = urlsplit(sink.url)
        async with (
            proxying(sink_at.hostname or "", sink_at.port or 0) as to_sink,
            proxying(host, port) as to_database,
        ):
            connection = await asyncpg.connect(crmd_dsn)
            fleet = Fleet(_through(crmd_dsn, to_database), tmp_path, connection)
            install_plugin(tmp_path / "site", "fleet", "sending_plugin")
            try:
                yield Scene(fleet, sink, to_sink, to_database, random.Random(SEED), set())  # noqa: S311 - a repeatable plan
            finally:
                for daemon in fleet.daemons:
                    if daemon.process.poll() is None:
                        daemon.process.kill()
                    daemon.process.wait()
                await connection.close()


async def test_nobody_gets_two(crmd_server: TestServer, crmd_dsn: str, tmp_path: Path) -> None:
    """Killed daemons, cut links and answers lost after accepting: each gets one, every doubt is listed and resolved."""
    async with _staged(crmd_server, crmd_dsn, tmp_path) as scene:
        await _sent_by_a_shaken_fleet(scene)
    wanted = {(kind, f"person-{number}@example.com") for kind in KINDS.values() for number in range(PEOPLE)}
    assert scene.sink.repeated("to") == {}
    assert {(one.kind, one.content["to"]) for one in scene.sink.accepted} == wanted
    assert scene.listed, "nothing was ever in doubt: the test tests nothing"


async def test_a_daemon_killed_before_the_answer_leaves_a_doubt(
    crmd_server: TestServer, crmd_dsn: str, tmp_path: Path
) -> None:
    """What the receiver took before its sender was killed is not sent again: it waits until somebody has looked."""
    async with _staged(crmd_server, crmd_dsn, tmp_path) as scene:
        fleet, sink = scene.fleet, scene.sink
        sink.faults.storm(SEED, 1.0, [faults.slow(30.0)])
        daemon = fleet.start(plugins__enabled='["fleet"]')
        await fleet.ready(1)
        payload = {"to": "ada@example.com", "url": f"http://127.0.0.1:{scene.to_sink.port}"}
        await fleet.enqueue("send-parked", 1, msgspec.json.encode(payload).decode())
        while not sink.accepted:  # noqa: ASYNC110 - taken in another task, which tells nobody
            await anyio.sleep(0.01)
        daemon.send(signal.SIGKILL)
        await daemon.ended()
        sink.faults.storm(SEED, 0.0, [])
        fleet.start(plugins__enabled='["fleet"]')
        await _resolve_until_done(scene)
    assert len(scene.listed) == 1
    assert len(sink.accepted) == 1


async def _sent_by_a_shaken_fleet(scene: Scene) -> None:
    fleet = scene.fleet
    scene.sink.faults.storm(SEED, 0.4, [faults.lost_answer(), faults.cut(0), faults.slow(0.4), faults.slow(2.0)])
    for _ in range(2):
        fleet.start(plugins__enabled='["fleet"]', queues__normal__slots="8")
    await fleet.ready(2)
    url = f"http://127.0.0.1:{scene.to_sink.port}"
    for job_type in KINDS:
        for number in [*range(PEOPLE), *range(PEOPLE)]:  # each is asked for by two jobs
            payload = msgspec.json.encode({"to": f"person-{number}@example.com", "url": url}).decode()
            await fleet.enqueue(job_type, 1, payload)
    for _ in range(KILLS):
        await _shake(scene)
    scene.sink.faults.storm(SEED, 0.0, [])
    await _resolve_until_done(scene)


async def _shake(scene: Scene) -> None:
    """One move of the nemesis: links first, then a daemon, which is replaced."""
    chance, fleet = scene.chance, scene.fleet
    for _ in range(2):
        await anyio.sleep(chance.uniform(0.1, 0.8))
        chance.choice([scene.to_sink, scene.to_database]).cut()
    await anyio.sleep(chance.uniform(0.0, 0.8))
    victim = chance.choice([daemon for daemon in fleet.daemons if daemon.process.poll() is None])
    victim.send(signal.SIGKILL)
    await victim.ended()
    fleet.start(plugins__enabled='["fleet"]', queues__normal__slots="8")


async def _resolve_until_done(scene: Scene) -> None:
    """What an operator does: look at the receiver for each doubt, and say what is there; run again what is dead."""
    connection = scene.fleet.connection
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_encoded, decoder=msgspec.json.decode)
    while True:
        await scene.fleet.until(SETTLED, 1)
        doubts = await effects.listed(connection, states=["unknown"], limit=1000)
        dead = await connection.fetch(
            "SELECT id FROM crmd.archive a WHERE status = 'dead'"
            " AND NOT EXISTS (SELECT FROM crmd.archive l WHERE l.meta ->> 'retriedFrom' = a.id::text)"
        )
        if not doubts and not dead:
            break
        for doubt in doubts:
            scene.listed.add(doubt["id"])
            found = scene.sink.find(doubt["kind"], str(doubt["id"]))
            state: Any = "confirmed" if found else "refused"
            assert await effects.resolve(connection, doubt["id"], state, reason="the test looked")
        for row in dead:
            await connection.execute("SELECT crmd.enqueue(type, payload, meta => jsonb_build_object('retriedFrom', id))"
                                     " FROM crmd.archive WHERE id = $1", row["id"])  # fmt: skip
    states = await connection.fetch("SELECT DISTINCT state FROM crmd.effect")
    assert [row["state"] for row in states] == ["confirmed"]


def _encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _address(dsn: str) -> tuple[str, int]:
    """Host and port of a server, or its socket."""
    parts = urlsplit(dsn)
    port = parts.port or 5432
    folder = dict(parse_qsl(parts.query)).get("host", "")
    return (f"{folder}/.s.PGSQL.{port}", port) if folder.startswith("/") else (parts.hostname or "127.0.0.1", port)


def _through(dsn: str, proxy: Proxy) -> str:
    parts = urlsplit(dsn)
    credentials = parts.netloc.rpartition("@")[0]
    netloc = f"{credentials}@127.0.0.1:{proxy.port}" if credentials else f"127.0.0.1:{proxy.port}"
    return urlunsplit(parts._replace(netloc=netloc, query=""))
