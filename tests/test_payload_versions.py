"""Payloads of older and newer versions, and jobs that no plugin here knows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import enqueue_jobs
import msgspec
import pytest

import crmd
from crmd.engine.letting_go import LettingGo
from crmd.engine.unknown_type import unknown_job_type
from crmd.errors import NotKnownHere, UsageError
from crmd.store import jobs

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(enqueue_jobs)


@pytest.fixture(autouse=True)
def told_anew() -> None:
    """What the log has told of once is told of again in the next test."""
    unknown_job_type.cache_clear()


async def sweep(bench: Workbench) -> None:
    """What a daemon does every second, for what it knows."""
    await LettingGo(bench._pool).once(bench.everything.services.job_types)


def forget(bench: Workbench, name: str, version: int | None = None) -> None:
    """Make the workbench a daemon that lacks a job type, or knows it up to a version only."""
    known = dict(bench.everything.services.job_types)
    job_type = known.pop(name)
    if version is not None:
        known[name] = dataclasses.replace(job_type, version=version)
    bench.everything.services.job_types = known


@pytest.mark.parametrize(
    ("version", "payload"),
    [(1, {"name": "Ada Lovelace"}), (2, {"first": "Ada", "last": "Lovelace"}), (3, {"fullName": ["Ada", "Lovelace"]})],
)
async def test_an_older_payload_is_upgraded(workbench: Workbench, version: int, payload: dict[str, Any]) -> None:
    """What was enqueued by an earlier release runs with the payload of today, step by step."""
    await workbench._pool.fetchval(
        "SELECT crmd.enqueue('renamed', $1::text::jsonb, payload_version => $2)",
        msgspec.json.encode(payload).decode(),
        version,
    )
    [done] = await workbench.drain()
    assert (done.status, done.result) == ("completed", ["Ada", "Lovelace"])


async def test_every_door_stamps_the_version(workbench: Workbench) -> None:
    """SQL, Python, a typed payload and a retry mark what they enqueue; a type of version 1 is not marked."""
    await workbench._pool.fetchval("""SELECT crmd.enqueue('renamed', '{"fullName": ["a"]}', meta => '{"x": 1}')""")
    await crmd.enqueue(workbench._pool, enqueue_jobs.renamed, enqueue_jobs.Renamed(full_name=["b"]))
    await crmd.enqueue(workbench._pool, "notes")
    rows = await workbench._pool.fetch("SELECT meta ->> 'payloadVersion' AS version, type FROM crmd.job ORDER BY id")
    assert [tuple(row) for row in rows] == [("3", "renamed"), ("3", "renamed"), (None, "notes")]


async def test_a_retry_keeps_the_version(workbench: Workbench) -> None:
    """An old job that is run again is as old as it was, whatever its type declares by now; a new payload is new."""
    ask = """SELECT crmd.enqueue('renamed', '{"first": "Ada", "last": "Byron"}', payload_version => 2)"""
    job_id = await workbench._pool.fetchval(ask)
    await workbench.drain()
    assert await jobs.retry(workbench._pool, job_id) is not None
    assert await jobs.retry(workbench._pool, job_id, jobs.Again(payload=b'{"fullName": ["Ada"]}')) is not None
    assert [done.result for done in await workbench.drain()] == [["Ada", "Byron"], ["Ada"]]


async def test_a_payload_without_a_way_fails_readably(workbench: Workbench) -> None:
    """A version that no upgrade begins with fails at once and names both versions."""
    await workbench._pool.fetchval("SELECT crmd.enqueue('renamed', '{}', payload_version => 0)")
    await workbench._pool.execute("""UPDATE crmd.job SET meta = '{"payloadVersion": 0}'""")
    [done] = await workbench.drain()
    assert done.status == "failed"
    assert "version 0, from which no upgrade leads to 3" in done.message


@pytest.mark.parametrize("upgrades", [{}, {1: dict}, {3: dict}, {2: dict, 3: dict}])
def test_a_gap_is_refused_when_it_is_declared(upgrades: dict[int, Any]) -> None:
    """Upgrades lead to the newest version without a gap, or the plugin does not load."""

    async def handler(ctx: crmd.Context) -> None:
        ctx.log.debug("never runs")

    with pytest.raises(crmd.CrmdError, match="upgrades from"):
        crmd.job("gap", version=3, upgrades=upgrades)(handler)


@pytest.mark.parametrize("known", [None, 2])
async def test_what_nobody_knows_waits_untouched(
    workbench: Workbench, known: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A job of an unknown type or a newer payload loses nothing, costs one claim, raises an alert, and runs later."""
    job = await crmd.enqueue(workbench._pool, "renamed", {"fullName": ["Ada"]})
    before = workbench.everything.services.job_types
    forget(workbench, "renamed", known)
    ran = await workbench.drain()
    assert [(one.id, one.status, one.attempt, one.errors) for one in ran] == [(job.id, "pending", 0, [])]
    await sweep(workbench)
    assert await workbench.drain() == []
    assert await workbench._pool.fetchval("SELECT fence FROM crmd.job") == 1
    status = await workbench._pool.fetchval(
        "SELECT jsonb_agg(type) FROM crmd.job WHERE held = 'unknown'",
    )
    assert status == b'["renamed"]'
    if known is None:
        assert "no loaded plugin declares the job type renamed" in caplog.text
    workbench.everything.services.job_types = before
    await sweep(workbench)
    [done] = await workbench.drain()
    assert (done.id, done.status, done.attempt, done.result) == (job.id, "completed", 1, ["Ada"])


async def test_the_log_tells_of_an_unknown_type_once(workbench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand jobs of one unknown type are one line, not a thousand."""
    await crmd.enqueue_many(workbench._pool, "notes", [{}] * 20)
    forget(workbench, "notes")
    await workbench.drain()
    assert caplog.text.count("no loaded plugin declares the job type notes") == 1


def test_decoding_names_what_it_does_not_know() -> None:
    """Versions are read from the mark alone, whatever else meta holds."""
    with pytest.raises(NotKnownHere, match="version 4 of the payload of renamed"):
        enqueue_jobs.renamed.decode(b"{}", b'{"payloadVersion": 4}')
    with pytest.raises(UsageError, match="does not fit"):
        enqueue_jobs.notes.decode(b'{"tags": 1}', b'{"source": "payloadVersion"}')
