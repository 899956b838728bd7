"""What becomes of a job whose key is taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import anyio
import enqueue_jobs
import msgspec
import pytest

import crmd
from crmd.errors import UsageError
from crmd.store import jobs, leases
from crmd.store.leases import EndedRow, Token
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    import asyncpg

    from crmd.model import Enqueued, OnConflict
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(enqueue_jobs)
SQL = load_queries("crmd.store")
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
LATER = START + timedelta(hours=2)


@pytest.fixture
async def bench(workbench: Workbench) -> Workbench:
    """The workbench with its clock stopped."""
    await workbench.clock.freeze(START)
    return workbench


async def put(bench: Workbench, text: str = "", **options: Any) -> Enqueued:  # noqa: ANN401 - options of every kind
    """A job with the key `k`, unless another is named."""
    payload = {"text": text, "tags": [text]}
    return await crmd.enqueue(bench._pool, "notes", payload, **{"unique_key": "k", **options})


async def start(bench: Workbench, job_id: UUID) -> Token:
    """Claim a job, as a daemon does."""
    [row] = await leases.claim_one(bench._pool, bench._daemon_id, job_id, leases.new_claim_id())
    await leases.free_started(bench._pool, [row["id"]], [row["unique_key"]])
    return Token(row["id"], row["fence"], row["claim_id"])


async def end(bench: Workbench, token: Token, status: str = "completed") -> None:
    """End a claimed job."""
    async with bench._pool.acquire() as connection:
        assert await leases.settle_ended(connection, [EndedRow(token, status)]) == {token.id}


async def waiting(bench: Workbench, job_id: UUID) -> dict[str, Any]:
    """A waiting job's row, its payload decoded."""
    row = await bench._pool.fetchrow("SELECT * FROM crmd.job WHERE id = $1", job_id)
    assert row is not None
    return {**row, "payload": msgspec.json.decode(row["payload"])}


async def key(bench: Workbench) -> dict[str, Any] | None:
    """The one unique key there is."""
    rows = await bench._pool.fetch("SELECT * FROM crmd.unique_key")
    assert len(rows) <= 1
    return dict(rows[0]) if rows else None


@pytest.mark.parametrize(
    ("on_conflict", "answer", "text", "tags", "run_at", "priority"),
    [
        ("return", "returned", "a", ["a"], START, "normal"),
        ("replace", "replaced", "b", ["b"], LATER, "high"),
        ("merge", "merged", "b", ["a", "b"], LATER, "high"),
        ("push_back", "pushed_back", "b", ["b"], START + timedelta(minutes=10), "high"),
        ("keep_time", "kept", "b", ["b"], START, "high"),
    ],
)
async def test_a_waiting_job_is_changed_as_asked(
    bench: Workbench, on_conflict: OnConflict, answer: str, text: str, tags: list[str], run_at: datetime, priority: str
) -> None:
    """Each mode changes payload, time and priority of the waiting job as docs/enqueue.md says, and makes none."""
    first = await put(bench, "a")
    again = await put(
        bench,
        "b",
        on_conflict=on_conflict,
        run_at=LATER,
        priority="high",
        max_delay_seconds=600,
        unique_scope="unfinished",
    )
    assert (again.id, again.is_new, again.answer) == (first.id, False, answer)
    row = await waiting(bench, first.id)
    assert (row["payload"]["text"], row["payload"]["tags"]) == (text, tags)
    assert (row["run_at"], row["priority"]) == (run_at, priority)
    head_start = timedelta(minutes=5) if priority == "high" else timedelta(minutes=1)
    assert row["rank_at"] == run_at - head_start
    assert await bench._pool.fetchval("SELECT count(*) FROM crmd.job") == 1


async def test_time_and_priority_stay_where_none_are_given(bench: Workbench) -> None:
    """What a conflicting call leaves out is left as it was."""
    first = await put(bench, "a", run_at=LATER, priority="critical")
    await put(bench, "b", on_conflict="replace")
    row = await waiting(bench, first.id)
    assert (row["run_at"], row["priority"], row["payload"]["text"]) == (LATER, "critical", "b")


@pytest.mark.parametrize("on_conflict", ["replace", "merge", "push_back", "keep_time"])
@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "dead"])
async def test_one_follow_up_begins_after_a_running_job(bench: Workbench, on_conflict: OnConflict, status: str) -> None:
    """A running job is not changed: one follow-up is queued, changed by who comes next, and begins after its end."""
    first = await put(bench, "a")
    token = await start(bench, first.id)
    options: dict[str, Any] = {"on_conflict": on_conflict, "max_delay_seconds": 600}
    follow_up = await put(bench, "b", **options)
    assert (follow_up.is_new, follow_up.answer) == (True, "created")
    again = await put(bench, "c", **options)
    assert (again.id, again.is_new) == (follow_up.id, False)
    assert (await waiting(bench, follow_up.id))["payload"]["tags"] == (["b", "c"] if on_conflict == "merge" else ["c"])
    assert await bench.drain() == []
    await end(bench, token, status)
    [ran] = await bench.drain()
    assert (ran.id, ran.result["note"]["text"]) == (follow_up.id, "c")
    assert await key(bench) is None


async def test_a_job_that_waits_for_its_retry_has_started(bench: Workbench) -> None:
    """Between two attempts a job keeps its payload, and its follow-up waits for its last one."""
    first = await put(bench, "a")
    token = await start(bench, first.id)
    async with bench._pool.acquire() as connection:
        await leases.settle_requeued(connection, [leases.RequeuedRow(token, 60.0, is_attempt_given_back=False)])
    follow_up = await put(bench, "b", on_conflict="replace")
    assert follow_up.is_new
    assert (await waiting(bench, first.id))["payload"]["text"] == "a"
    assert await bench.drain() == []
    await bench.clock.advance(61)
    assert [ran.id for ran in await bench.drain()] == [first.id, follow_up.id]


async def test_a_cancelled_follow_up_gives_the_key_back(bench: Workbench) -> None:
    """With the follow-up cancelled the running job holds the key again: nothing runs beside it."""
    first = await put(bench, "a")
    token = await start(bench, first.id)
    follow_up = await put(bench, "b", on_conflict="replace")
    assert await crmd.cancel(bench._pool, follow_up.id) == "cancelled"
    assert (await put(bench, "c")).id == first.id
    third = await put(bench, "d", on_conflict="replace")
    assert third.is_new
    assert await bench.drain() == []
    await end(bench, token)
    assert [ran.id for ran in await bench.drain()] == [third.id]


async def test_scope_waiting_may_run_side_by_side(bench: Workbench) -> None:
    """Scope waiting ends at the start: the next job is due beside the running one."""
    first = await put(bench, "a", unique_scope="waiting", on_conflict="replace")
    await start(bench, first.id)
    second = await put(bench, "b", unique_scope="waiting", on_conflict="replace")
    assert second.is_new
    assert [ran.id for ran in await bench.drain()] == [second.id]


async def test_a_merge_has_a_bound(bench: Workbench) -> None:
    """What would grow beyond 256 KiB waits as a follow-up; what would make that too large is rejected."""
    full = {"tags": ["x" * 200_000]}
    options: Any = {"unique_key": "k", "on_conflict": "merge"}
    first = await crmd.enqueue(bench._pool, "notes", full, **options)
    assert (await crmd.enqueue(bench._pool, "notes", {"tags": ["y"]}, **options)).answer == "merged"
    second = await crmd.enqueue(bench._pool, "notes", full, **options)
    assert (second.is_new, (await waiting(bench, second.id))["held"]) == (True, "key")
    third = await crmd.enqueue(bench._pool, "notes", full, **options)
    assert (third.id, third.answer) == (second.id, "rejected")
    assert [ran.id for ran in await bench.drain()] == [first.id, second.id]


async def test_debounce_has_an_end(bench: Workbench) -> None:
    """Each word of a contact moves its job by 30 s, but never beyond 100 s after the first; others are not touched."""
    talk = {"contact": {"id": "7"}}
    first = await crmd.enqueue(bench._pool, "settles-down", {**talk, "text": "0"})
    other = await crmd.enqueue(bench._pool, "settles-down", {"contact": {"id": "8"}})
    assert other.is_new
    for said in range(1, 5):
        await bench.clock.advance(20)
        again = await crmd.enqueue(bench._pool, "settles-down", {**talk, "text": str(said)})
        assert (again.id, again.answer) == (first.id, "pushed_back")
        due_at = min(START + timedelta(seconds=20 * said + 30), START + timedelta(seconds=100))
        assert (await waiting(bench, first.id))["run_at"] == due_at
    await bench.clock.advance(21)
    assert [ran.result for ran in await bench.drain() if ran.id == first.id] == ["4"]
    assert (await crmd.enqueue(bench._pool, "settles-down", talk)).is_new


async def test_throttle_runs_first_and_last(bench: Workbench) -> None:
    """Scope for with keep_time: the first at once, then one a minute with the newest payload of that minute."""
    assert (await crmd.enqueue(bench._pool, "now-and-then", {"text": "1"})).is_new
    assert [ran.result for ran in await bench.drain()] == ["1"]
    second = await crmd.enqueue(bench._pool, "now-and-then", {"text": "2"})
    assert second.is_new
    assert (await crmd.enqueue(bench._pool, "now-and-then", {"text": "3"})).id == second.id
    assert await bench.drain() == []
    await bench.clock.advance(60)
    assert [ran.result for ran in await bench.drain()] == ["3"]
    fourth = await crmd.enqueue(bench._pool, "now-and-then", {"text": "4"})
    assert (await waiting(bench, fourth.id))["run_at"] == START + timedelta(seconds=120)


async def test_the_leading_edge_is_a_window_that_moves(bench: Workbench) -> None:
    """Scope for with push_back: the first runs at once, and none until it was quiet, or the maximum is over."""
    options: dict[str, Any] = {
        "unique_scope": "for", "unique_seconds": 30, "on_conflict": "push_back", "max_delay_seconds": 70,
    }  # fmt: skip
    first = await put(bench, "a", **options)
    assert [ran.id for ran in await bench.drain()] == [first.id]
    for _ in range(3):
        await bench.clock.advance(20)
        again = await put(bench, "b", **options)
        assert (again.id, again.answer) == (first.id, "pushed_back")
    assert await bench.drain() == []
    await bench.clock.advance(11)
    assert (await put(bench, "c", **options)).is_new


async def test_each_of_a_batch_has_its_answer(bench: Workbench) -> None:
    """One answer per payload in order, doubles inside the batch and conflicts with others too; none fails the batch."""
    await put(bench, "old", unique_key="b")
    payloads = [{"tags": [tag]} for tag in "123456"]
    keys = ["a", "b", "a", None, "b", "a"]
    answers = await crmd.enqueue_many(bench._pool, "notes", payloads, unique_keys=keys, on_conflict="merge")
    assert [answer.answer for answer in answers] == ["created", "merged", "merged", "created", "merged", "merged"]
    assert len({answers[place].id for place in (0, 2, 5)}) == 1
    assert (await waiting(bench, answers[0].id))["payload"]["tags"] == ["1", "3", "6"]
    assert (await waiting(bench, answers[1].id))["payload"]["tags"] == ["old", "2", "5"]


async def test_a_full_limit_rejects_and_leaves_no_key(bench: Workbench) -> None:
    """What a full limit rejects is answered so, alone and in a batch, with keys or without; its key is free."""
    keys = ["a", "b", "c", "c", "a"]
    answers_of: dict[OnConflict, str] = {"return": "returned", "replace": "replaced"}
    for on_conflict, taken in answers_of.items():
        answers = await crmd.enqueue_many(
            bench._pool, "seats", [{"text": key} for key in keys], unique_keys=keys, on_conflict=on_conflict
        )
        assert [answer.answer for answer in answers] == ["created", "created", "rejected", "rejected", taken]
        assert await bench._pool.fetchval("SELECT count(*) FROM crmd.unique_key") == 2
        assert (await crmd.enqueue(bench._pool, "seats")).answer == "rejected"
        assert await bench._pool.fetchval("SELECT crmd.enqueue('seats')") is None
        assert len(await bench.drain()) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on_conflict": "overwrite"}, "none of return, replace"),
        ({"unique_scope": "always"}, "none of waiting, unfinished"),
        ({"unique_scope": "for"}, "needs unique_seconds"),
        ({"on_conflict": "push_back"}, "needs max_delay_seconds"),
        ({"on_conflict": "replace", "after": [uuid4()]}, "cannot wait for jobs of its own"),
    ],
)
async def test_contradictions_are_refused(bench: Workbench, options: dict[str, Any], words: str) -> None:
    """Options that cannot be meant are an error in one sentence, and nothing is enqueued."""
    with pytest.raises(UsageError, match=words):
        await put(bench, "a", **options)
    assert await bench._pool.fetchval("SELECT count(*) FROM crmd.job") == 0


def test_a_declaration_that_contradicts_itself_is_refused() -> None:
    """A debounce without an end and a window without a length never reach the database."""
    with pytest.raises(crmd.CrmdError, match="max_delay_seconds"):
        crmd.Unique(on_conflict="push_back")
    with pytest.raises(crmd.CrmdError, match="seconds"):
        crmd.Unique(scope="for")


async def test_an_open_enqueuer_holds_no_end_up(bench: Workbench, outside: asyncpg.Connection[asyncpg.Record]) -> None:
    """While a transaction that queued a follow-up is open the job ends; the follow-up goes on once it is committed."""
    first = await put(bench, "a")
    token = await start(bench, first.id)
    async with outside.transaction():
        follow_up = await crmd.enqueue(outside, "notes", {"text": "b"}, unique_key="k", on_conflict="replace")
        with anyio.fail_after(3):
            await end(bench, token)
    assert await bench.drain() == []
    await bench._pool.fetchval("SELECT crmd.release_followers(NULL, 100)")
    assert [ran.id for ran in await bench.drain()] == [follow_up.id]
    assert await key(bench) is None


async def test_a_follow_up_that_is_rolled_back_leaves_no_key_behind(
    bench: Workbench, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    """An enqueuer that held the key while its job ended, and then gave up, does not keep the next one out."""
    first = await put(bench, "a")
    token = await start(bench, first.id)
    transaction = outside.transaction()
    await transaction.start()
    await crmd.enqueue(outside, "notes", {"text": "b"}, unique_key="k", on_conflict="replace")
    await end(bench, token)
    await transaction.rollback()
    again = await put(bench, "c")
    assert again.is_new
    assert [ran.id for ran in await bench.drain()] == [again.id]


async def test_upkeep_forgets_keys_that_nobody_holds(
    bench: Workbench, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Keys whose time is over, and one that a rolled-back enqueuer left behind, go; a key that is held stays."""
    token = await start(bench, (await put(bench, "left", unique_key="left")).id)
    await put(bench, "held", unique_key="held")
    await put(bench, "timed", unique_key="timed", unique_scope="for", unique_seconds=10)
    transaction = outside.transaction()
    await transaction.start()
    await crmd.enqueue(outside, "notes", {"text": "b"}, unique_key="left", on_conflict="replace")
    await end(bench, token)
    await transaction.rollback()
    await bench.clock.advance(11)
    assert await bench._pool.fetchval(SQL.upkeep_sweep, 30, 1000) == 2
    assert await bench._pool.fetchval("SELECT string_agg(key, ' ') FROM crmd.unique_key") == "notes//held"


async def test_an_enqueuer_keeps_a_waiting_job_from_starting(
    bench: Workbench, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A job that is being changed is passed over by claims, which wait for nobody, and runs as it was changed."""
    first = await put(bench, "a")
    async with outside.transaction():
        await crmd.enqueue(outside, "notes", {"text": "b"}, unique_key="k", on_conflict="replace")
        with anyio.fail_after(3):
            assert await leases.claim_one(bench._pool, bench._daemon_id, first.id, leases.new_claim_id()) == []
    [ran] = await bench.drain()
    assert ran.result["note"]["text"] == "b"


async def test_keys_come_from_nested_fields_in_any_order(bench: Workbench) -> None:
    """The order of a payload's members makes no other key; another value of the nested field does."""
    first = await crmd.enqueue(bench._pool, "collects", {"contact": {"id": "1", "name": "Ada"}, "tags": ["a"]})
    again = await crmd.enqueue(bench._pool, "collects", {"tags": ["b"], "contact": {"name": "Bob", "id": "1"}})
    other = await crmd.enqueue(bench._pool, "collects", {"contact": {"id": "2", "name": "Ada"}})
    assert (again.id, again.answer, other.is_new) == (first.id, "merged", True)
    assert [ran.result for ran in await bench.drain()] == [["a", "b"], []]


async def test_a_retry_replaces_nothing(bench: Workbench) -> None:
    """An ended job that is run again finds its key taken and leaves the newer payload as it is."""
    old = await crmd.enqueue(bench._pool, "collects", {"contact": {"id": "1"}, "tags": ["old"]})
    await bench.drain()
    new = await crmd.enqueue(bench._pool, "collects", {"contact": {"id": "1"}, "tags": ["new"]})
    again = await jobs.retry(bench._pool, old.id)
    assert again is not None
    assert (again.id, again.is_new) == (new.id, False)
    assert (await waiting(bench, new.id))["payload"]["tags"] == ["new"]


async def test_sql_has_the_same_as_named_arguments(bench: Workbench) -> None:
    """crmd.enqueue takes every option by name, and the old positional ones where they were."""
    ask = """SELECT crmd.enqueue('notes', '{"text": "a"}', NULL, NULL, NULL, 'high', 'slow', 'k', 7)"""
    first = await bench._pool.fetchval(ask)
    row = await waiting(bench, first)
    assert (row["priority"], row["queue"], row["max_attempts"]) == ("high", "slow", 7)
    again = await bench._pool.fetchval(
        """SELECT crmd.enqueue('notes', '{"text": "b"}', unique_key => 'k', on_conflict => 'replace',
                               delay_seconds => 60, expires_in_seconds => 600)"""
    )
    row = await waiting(bench, first)
    assert (again, row["payload"]["text"], row["run_at"]) == (first, "b", START + timedelta(seconds=60))
    assert row["expires_at"] == START + timedelta(seconds=660)


async def test_who_could_enqueue_before_still_can(bench: Workbench) -> None:
    """The migration gives the new functions to the roles that had the old ones, and to nobody else."""
    granted = await bench._pool.fetch(
        "SELECT p.proname FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a "
        "WHERE p.pronamespace = 'crmd'::regnamespace AND a.grantee = 0 AND p.proname = ANY ($1)",
        ["enqueue", "enqueue_many", "free_keys", "meet_taken", "enqueue_keyed", "expire"],
    )
    assert granted == []
    assert len(await jobs.enqueue_many(bench._pool, jobs.NewJobs(type="notes", payloads=[b"{}", b"{}"]))) == 2
