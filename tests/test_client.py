"""Enqueueing and cancelling from any program, on its own connection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import asyncpg
import enqueue_jobs
import msgspec
import pytest

import crmd
from crmd.client import PART_MAX
from crmd.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd import JobType
    from crmd.config.loading import Config
    from crmd.testing import Workbench

    Connection = asyncpg.Connection[asyncpg.Record]

pytestmark = pytest.mark.crmd_plugins(enqueue_jobs)
NOTE = {"text": 'quoted "é" \u2028', "tags": ["a", "b"]}


@pytest.fixture(params=["plain", "text codec", "binary codec"])
async def outside(crmd_config: Config, request: pytest.FixtureRequest) -> AsyncIterator[Connection]:
    """Connections as programs have them: as they come, or with JSON decoded in one way or another."""
    assert crmd_config.database.dsn is not None
    connection: Connection = await asyncpg.connect(crmd_config.database.dsn.reveal())
    if request.param == "text codec":
        await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    if request.param == "binary codec":

        def encoded(value: object) -> bytes:
            return b"\x01" + json.dumps(value).encode()

        def decoded(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
            return json.loads(data[1:])

        await connection.set_type_codec("jsonb", encoder=encoded, decoder=decoded, schema="pg_catalog", format="binary")
    yield connection
    await connection.close()


async def test_a_job_is_enqueued_in_the_callers_transaction(workbench: Workbench, outside: Connection) -> None:
    """Whatever codecs it has: with the commit there is the job, with a rollback there is none."""
    transaction = outside.transaction()
    await transaction.start()
    await crmd.enqueue(outside, "notes", NOTE)
    await transaction.rollback()
    assert await workbench.drain() == []
    async with outside.transaction():
        one = await crmd.enqueue(outside, "notes", NOTE)
        two, three = await crmd.enqueue_many(outside, enqueue_jobs.notes, [enqueue_jobs.Note(text="typed"), NOTE])
    done = {one.id: NOTE["text"], two.id: "typed", three.id: NOTE["text"]}
    assert {ran.id: ran.result["note"]["text"] for ran in await workbench.drain()} == done


async def test_a_payload_is_checked_against_a_type_that_is_given(outside: Connection) -> None:
    """A job type in hand checks at once; a name leaves it to the run; neither takes more than 256 KiB."""
    with pytest.raises(UsageError, match="does not fit"):
        await crmd.enqueue(outside, enqueue_jobs.notes, {"tags": 1})
    with pytest.raises(UsageError, match="are the most"):
        await crmd.enqueue(outside, "notes", {"text": "x" * 300_000})
    with pytest.raises(UsageError, match='No job type "nothing"'):
        await crmd.enqueue(outside, "nothing")
    assert await outside.fetchval("SELECT count(*) FROM crmd.job") == 0


async def test_a_job_is_cancelled_in_the_callers_transaction(workbench: Workbench, outside: Connection) -> None:
    """As far as the transaction commits, with the reason that it gave."""
    job = await crmd.enqueue(outside, "notes")
    transaction = outside.transaction()
    await transaction.start()
    assert await crmd.cancel(outside, job.id, "changed my mind") == "cancelled"
    await transaction.rollback()
    assert (await workbench.finished(job.id)).status == "pending"
    assert await crmd.cancel(outside, job.id, "changed my mind") == "cancelled"
    assert (await workbench.finished(job.id)).message == "changed my mind"


async def test_a_role_that_may_enqueue_needs_nothing_else(workbench: Workbench, outside: Connection) -> None:
    """crmd.grant_enqueue is all that a program's role needs, for keys and follow-ups too."""
    role = f"client_{outside.get_server_pid()}"
    await outside.execute(f"CREATE ROLE {role}")
    try:
        await workbench._pool.execute("SELECT crmd.grant_enqueue($1)", role)
        await outside.execute(f"SET ROLE {role}")
        first = await crmd.enqueue(outside, "notes", NOTE, unique_key="k")
        again = await crmd.enqueue(outside, "notes", NOTE, unique_key="k", on_conflict="merge", expires_in_seconds=60)
        assert (again.id, again.answer) == (first.id, "merged")
        assert await crmd.cancel(outside, first.id) == "cancelled"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await outside.fetchval("SELECT count(*) FROM crmd.job")
    finally:
        await outside.execute("RESET ROLE")
        await outside.execute(f"DROP OWNED BY {role}")
        await outside.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize("job_type", [enqueue_jobs.notes, "notes"])
async def test_thousands_are_enqueued_together(workbench: Workbench, job_type: str | JobType) -> None:
    """A call with more than goes into one statement answers in order, and leaves nothing when one payload is bad."""
    pool = workbench._pool
    count = 2 * PART_MAX + 3
    texts = [f"note {number}" for number in range(count)]
    answers = await crmd.enqueue_many(pool, job_type, [{"text": text} for text in texts])
    rows = await pool.fetch("SELECT id, payload FROM crmd.job ORDER BY id")
    assert [answer.id for answer in answers] == [row["id"] for row in rows]
    assert [json.loads(row["payload"])["text"] for row in rows] == texts
    with pytest.raises(UsageError, match="text"):
        await crmd.enqueue_many(pool, enqueue_jobs.notes, [*({"text": text} for text in texts[:-1]), {"text": 1}])
    assert await pool.fetchval("SELECT count(*) FROM crmd.job") == count


async def test_payloads_that_go_together_come_apart_where_they_were_joined(
    workbench: Workbench, outside: Connection
) -> None:
    """What stands between them stands in no JSON: a text with it is kept, and what is none makes no further job."""
    await outside.set_type_codec("uuid", encoder=str, decoder=str, schema="pg_catalog")
    texts = ["a\x1eb", "\x1e", "c\n"]
    answers = await crmd.enqueue_many(outside, "notes", [{"text": text} for text in texts])
    rows = await workbench._pool.fetch("SELECT id, payload FROM crmd.job ORDER BY id")
    assert [str(answer.id) for answer in answers] == [str(row["id"]) for row in rows]
    assert [json.loads(row["payload"])["text"] for row in rows] == texts
    smuggled = msgspec.Raw(b'"d"}\x1e{"text": "e"')
    with pytest.raises(UsageError, match="not JSON"):
        await crmd.enqueue_many(outside, "notes", [{"text": "x"}, {"text": smuggled}])
    assert await outside.fetchval("SELECT ids FROM crmd.enqueue_batch('notes', NULL, joined => '')") == []
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.job") == len(texts)


async def test_thousands_with_keys_are_one_statement(workbench: Workbench, outside: Connection) -> None:
    """Of a type whose jobs turn out to have keys, nothing that was sent ahead stays: keys are taken in one order."""
    contacts = [f"contact {number % PART_MAX}" for number in range(2 * PART_MAX)]
    async with outside.transaction():
        answers = await crmd.enqueue_many(outside, "collects", [{"contact": {"id": one}} for one in contacts])
    assert [answer.answer for answer in answers] == ["created"] * PART_MAX + ["merged"] * PART_MAX
    assert [answer.id for answer in answers[:PART_MAX]] == [answer.id for answer in answers[PART_MAX:]]
    rows = await workbench._pool.fetch("SELECT id FROM crmd.job ORDER BY id")
    assert {row["id"] for row in rows} == {answer.id for answer in answers}


async def test_what_a_job_enqueues_keeps_its_cause(workbench: Workbench) -> None:
    """Jobs that a job enqueues name it as their cause and share the beginning of its chain; options reach them."""
    parent = await workbench.run_job("starts-lapsing")
    row = await workbench._pool.fetchrow(
        "SELECT meta, expires_at IS NOT NULL AS lapses, workspace_id FROM crmd.job WHERE parent_id = $1", parent.id
    )
    assert row is not None
    assert json.loads(row["meta"]) == {"causationId": str(parent.id), "correlationId": str(parent.id)}
    assert (row["lapses"], row["workspace_id"]) == (True, workbench.workspace_id)
