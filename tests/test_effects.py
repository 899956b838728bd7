"""Effects that are to happen once: what the ledger says after each way in which sending one can end."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import anyio
import asyncpg
import pytest

import crmd
from crmd.engine.job_context import JobContext
from crmd.engine.reconciling import reconcile_once
from crmd.engine.run import Run
from crmd.outcome import Stop
from crmd.store import effects, jobs, leases
from crmd.store.leases import Token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


@dataclass
class Post:
    """The outside: what was accepted, and what happens to the next hand-overs (an error is raised after accepting)."""

    accepted: list[str] = field(default_factory=list)
    script: list[BaseException | None] = field(default_factory=list)
    handed: list[crmd.Effect] = field(default_factory=list)
    is_refusing: bool = False
    on_send: Callable[[], Awaitable[object]] | None = None
    probes: int = 0
    allow: Callable[[Any], Awaitable[object]] | None = None

    async def send(self, effect: crmd.Effect) -> object:
        """Accept it, then answer or fail as the script says."""
        self.handed.append(effect)
        if self.on_send is not None:
            await self.on_send()
        if self.is_refusing:
            raise self.script.pop(0) or crmd.NotAccepted("busy")
        self.accepted.append(effect.key)
        fault = self.script.pop(0) if self.script else None
        if fault is not None:
            raise fault
        return {"number": len(self.accepted)}

    async def probe(self, effect: crmd.Effect) -> object:
        """Look for it."""
        self.probes += 1
        return {"found": True} if effect.key in self.accepted else None


POST = Post()


@pytest.fixture(autouse=True)
def post() -> Post:
    """An empty one for each test."""
    POST.__init__()  # type: ignore[misc]  # made anew in place, since the handlers below know this one
    return POST


class Mail(crmd.Payload, frozen=True):
    """To whom."""

    to: str = "ann"
    kind: str = "mail"


async def _mail(ctx: crmd.Context, payload: Mail, *, has_probe: bool = False, quiet: float = 60.0) -> object:
    probe = POST.probe if has_probe else None
    return await ctx.effect(
        payload.kind, key=payload.to, send=POST.send, probe=probe, allow=POST.allow, quiet_seconds=quiet
    )


@crmd.job("parked")
async def parked(ctx: crmd.Context, payload: Mail) -> object:
    """Sends, and waits for a person when it does not know."""
    return await _mail(ctx, payload, has_probe=True)


@crmd.job("probed", on_unknown_effect="probe")
async def probed(ctx: crmd.Context, payload: Mail) -> object:
    """Sends, and asks when it does not know."""
    return await _mail(ctx, payload, has_probe=True)


@crmd.job("resent", on_unknown_effect="resend")
async def resent(ctx: crmd.Context, payload: Mail) -> object:
    """Sends again when it does not know."""
    return await _mail(ctx, payload)


async def _rows(workbench: Workbench) -> list[dict[str, Any]]:
    return [dict(row) for row in await effects.listed(workbench.everything.pools.plugins)]


async def _row(workbench: Workbench) -> dict[str, Any]:
    [row] = await _rows(workbench)
    return row


async def _resolve(workbench: Workbench, state: Any, receipt: object = None) -> bool:  # noqa: ANN401 - a state
    row = await _row(workbench)
    async with workbench.everything.pools.plugins.acquire() as connection:
        return await effects.resolve(connection, row["id"], state, receipt=receipt, reason="a person looked")


async def _claimed(workbench: Workbench, job_type: str) -> Run:
    job_id = (await workbench.enqueue(job_type, {"to": "ann"})).id
    [row] = await leases.claim_one(workbench._pool, workbench._daemon_id, job_id, uuid4())
    known = workbench.everything.loaded.job_types[job_type]
    return Run(row, known, Token(row["id"], row["fence"], row["claim_id"]))


async def _died(workbench: Workbench, run: Run) -> UUID:
    """As a daemon that was killed: its lease is given to nobody."""
    async with workbench._pool.acquire() as connection:
        assert await leases.return_reaped(connection, [run.token], [0.0], b'{"class": "Crashed"}') == {run.token.id}
    return run.token.id


async def _handed_over(workbench: Workbench, run: Run, key: str) -> None:
    """As it is committed before the first byte leaves."""
    async with workbench.everything.pools.plugins.acquire() as connection, connection.transaction():
        row = await effects.planned(connection, workbench.workspace_id, "mail", key, run.token.id, "parked")
        await effects.hand_over(connection, row["id"], run.token, "parked")


async def test_an_effect_happens_once(workbench: Workbench, post: Post) -> None:
    """A second job with the same key gets the receipt of the first, and nothing is sent."""
    first = await workbench.run_job("parked", {"to": "ann"})
    second = await workbench.run_job("resent", {"to": "ann"})
    assert (first.status, first.result) == (second.status, second.result) == ("completed", {"number": 1})
    other = await workbench.run_job("parked", {"to": "ann", "kind": "sms"})
    assert other.result == {"number": 2}
    elsewhere = await workbench.run_job("parked", {"to": "ann"}, workspace_id=uuid4())
    assert elsewhere.result == {"number": 3}
    assert len(post.accepted) == 3
    assert {row["state"] for row in await _rows(workbench)} == {"confirmed"}


async def test_it_is_handed_over_in_a_commit_of_its_own(workbench: Workbench, post: Post) -> None:
    """When the first byte leaves, the ledger holds the hand-over; the receiver gets the row's id as its key."""
    seen: list[Any] = []

    async def look() -> None:
        seen.append(await _row(workbench))

    post.on_send = look
    await workbench.run_job("parked", {"to": "ann"})
    assert [(row["state"], row["handovers"]) for row in seen] == [("handed_over", 1)]
    assert post.handed[0].idempotency_key == str(seen[0]["id"])
    assert post.handed[0].message_id("crm.example") == f"<{seen[0]['id']}@crm.example>"


FAULTS = [
    asyncio.CancelledError(),
    crmd.OutcomeUnknown("504"),
    crmd.RetryJob("cut"),
    OSError("reset"),
    crmd.FailJob("too large"),
    ValueError("?"),
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_doubt_holds_the_job_until_a_person_looks(
    workbench: Workbench, post: Post, fault: BaseException
) -> None:
    """Whatever fails after the hand-over: the job is held without an attempt, listed, and goes on when resolved."""
    post.script = [fault]
    held = await workbench.run_job("parked", {"to": "ann"})
    assert (held.status, held.attempt) == ("pending", 0)
    row = await _row(workbench)
    assert (row["state"], row["waiting"]) == ("unknown", [held.id])
    assert await workbench.drain(is_time_moved=True) == []
    assert await _resolve(workbench, "confirmed", {"said": "ann"})
    [done] = await workbench.drain()
    assert (done.id, done.status, done.result) == (held.id, "completed", {"said": "ann"})
    assert len(post.handed) == 1
    assert not await _resolve(workbench, "refused")


async def test_what_was_not_sent_is_sent_when_a_person_says_so(workbench: Workbench, post: Post) -> None:
    """An effect resolved as not sent is handed over again, under the same key."""
    post.script = [OSError()]
    await workbench.run_job("parked", {"to": "ann"})
    post.accepted.clear()  # it never arrived
    assert await _resolve(workbench, "refused")
    [done] = await workbench.drain()
    assert (done.status, post.accepted) == ("completed", ["ann"])
    assert [(effect.id, effect.handovers) for effect in post.handed] == [(post.handed[0].id, 1), (post.handed[0].id, 2)]


async def test_a_held_job_can_be_cancelled(workbench: Workbench, post: Post) -> None:
    """A job in doubt can be given up; its effect stays listed until somebody knows."""
    post.script = [OSError()]
    held = await workbench.run_job("parked", {"to": "ann"})
    assert await jobs.cancel(workbench._pool, held.id, "enough") == "cancelled"
    assert (await _row(workbench))["state"] == "unknown"
    assert await _resolve(workbench, "refused")
    assert await workbench.drain() == []
    assert len(post.handed) == 1


async def test_a_probe_finds_what_was_taken(workbench: Workbench, post: Post) -> None:
    """An unknown effect is asked for after the quiet time, and found: nothing is sent twice."""
    post.script = [OSError()]
    waiting = await workbench.run_job("probed", {"to": "ann"})
    assert (waiting.status, waiting.attempt, post.probes) == ("scheduled", 0, 0)
    [done] = await workbench.drain(is_time_moved=True)
    assert (done.status, done.result) == ("completed", {"found": True})
    assert (len(post.handed), post.probes) == (1, 1)


async def test_a_probe_that_finds_nothing_lets_it_be_sent(workbench: Workbench, post: Post) -> None:
    """What the receiver surely does not have is handed over again; after three hand-overs a person has to look."""
    post.script = [OSError()] * 3

    async def lose() -> None:
        post.accepted.clear()

    post.on_send = lose
    job = await workbench.run_job("probed", {"to": "ann"})
    assert job.status in {"scheduled", "pending"}
    for _ in range(2):
        post.on_send = lose
        post.accepted.clear()
        await workbench.clock.advance(400)
        [job] = await workbench.drain()
        assert job.status in {"scheduled", "pending"}
    assert len(post.handed) == 3
    post.accepted.clear()
    await workbench.drain(is_time_moved=True)
    assert (await _row(workbench))["waiting"] == [job.id]
    assert len(post.handed) == 3


async def test_an_idempotent_receiver_is_sent_it_again(workbench: Workbench, post: Post) -> None:
    """With `resend` the same hand-over is repeated under the same key, after the quiet time."""
    post.script = [OSError()]
    await workbench.run_job("resent", {"to": "ann"})
    [done] = await workbench.drain(is_time_moved=True)
    assert done.status == "completed"
    assert [effect.handovers for effect in post.handed] == [1, 2]
    assert len({effect.idempotency_key for effect in post.handed}) == 1


REFUSALS: list[tuple[Exception, str, int]] = [
    (crmd.NotAccepted("busy"), "scheduled", 1),
    (crmd.GateClosed("limit/x", after_seconds=5, reason="429"), "scheduled", 0),
    (crmd.EffectRefused("no such user"), "failed", 1),
]


@pytest.mark.parametrize(("refusal", "status", "attempt"), REFUSALS)
async def test_what_was_surely_refused_may_be_tried_again(
    workbench: Workbench, post: Post, refusal: Exception, status: str, attempt: int
) -> None:
    """A refusal is no doubt: the job ends or comes again as the refusal says, and the next one sends."""
    post.is_refusing, post.script = True, [refusal]
    job = await workbench.run_job("parked", {"to": "ann"})
    assert (job.status, job.attempt) == (status, attempt)
    assert (await _row(workbench))["state"] == "refused"
    post.is_refusing = False
    if status == "failed":
        await workbench.run_job("parked", {"to": "ann"})
    else:
        await workbench.drain(is_time_moved=True)
    assert post.accepted == ["ann"]


async def test_a_daemon_that_died_while_sending_leaves_a_doubt(workbench: Workbench, post: Post) -> None:
    """A hand-over by a claim that is gone is unknown: the next attempt does not send, and the job is held."""
    run = await _claimed(workbench, "parked")
    await _handed_over(workbench, run, "ann")
    await _died(workbench, run)
    [again] = await workbench.drain()
    assert (again.status, again.attempt, post.handed) == ("pending", 0, [])
    assert (await _row(workbench))["waiting"] == [run.token.id]


async def test_an_orphan_is_found_without_its_job(workbench: Workbench, post: Post) -> None:
    """A hand-over whose job never comes back is called unknown by any daemon's round, and so is listed."""
    run = await _claimed(workbench, "parked")
    await _handed_over(workbench, run, "bob")
    await reconcile_once(workbench._pool)
    assert (await _row(workbench))["state"] == "handed_over"
    await _died(workbench, run)
    await reconcile_once(workbench._pool)
    assert (await _row(workbench))["state"] == "unknown"
    assert post.handed == []


async def test_two_jobs_never_send_at_once(workbench: Workbench, post: Post) -> None:
    """While one claim sends, another with the same key waits without an attempt, and then gets the receipt."""
    others: list[Any] = []

    async def race() -> None:
        post.on_send = None
        others.append(await workbench.run_job("resent", {"to": "ann"}))
        assert (await _row(workbench))["state"] == "handed_over"  # nobody doubts what is just being sent

    post.on_send = race
    run = await _claimed(workbench, "parked")
    assert await parked(JobContext(run, workbench.everything.services), Mail()) == {"number": 1}
    assert (others[0].status, others[0].attempt) == ("scheduled", 0)
    [done] = await workbench.drain(is_time_moved=True)
    assert done.result == {"number": 1}
    assert len(post.handed) == 1


async def test_twenty_at_once_send_once(workbench: Workbench, post: Post) -> None:
    """However many jobs ask for one effect at the same moment, one of them sends."""
    runs = [await _claimed(workbench, "parked") for _ in range(20)]
    answers: list[object] = []

    async def ask(run: Run) -> None:
        try:
            answers.append(await parked(JobContext(run, workbench.everything.services), Mail()))
        except crmd.GateClosed:
            answers.append(None)

    async with anyio.create_task_group() as tasks:
        for run in runs:
            tasks.start_soon(ask, run)
    assert len(answers) == 20
    assert {"number": 1} in answers
    assert len(post.handed) == 1


async def test_one_handler_may_ask_at_once(workbench: Workbench, post: Post) -> None:
    """Two tasks of one handler that ask for the same effect get one receipt."""
    run = await _claimed(workbench, "parked")
    context = JobContext(run, workbench.everything.services)
    answers: list[object] = []

    async def ask() -> None:
        answers.append(await context.effect("mail", key="ann", send=post.send))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    assert answers == [{"number": 1}] * 5
    assert len(post.handed) == 1


async def test_a_late_receipt_is_believed(workbench: Workbench, post: Post) -> None:
    """Whoever lost its lease while sending still tells what it saw, and the held job goes on with the receipt."""
    run = await _claimed(workbench, "parked")

    async def lose() -> None:
        post.on_send = None
        await _died(workbench, run)
        [held] = await workbench.drain()
        assert held.status == "pending"

    post.on_send = lose
    assert await parked(JobContext(run, workbench.everything.services), Mail()) == {"number": 1}
    assert (await _row(workbench))["state"] == "confirmed"
    await reconcile_once(workbench._pool)
    [done] = await workbench.drain()
    assert (done.result, len(post.handed)) == ({"number": 1}, 1)


async def test_a_late_receipt_of_an_earlier_hand_over_says_nothing(workbench: Workbench, post: Post) -> None:
    """After another hand-over, what became of the first one is not written over it."""
    run = await _claimed(workbench, "resent")
    rows: list[Any] = []

    async def lose() -> None:
        post.on_send = None
        await _died(workbench, run)
        await workbench.clock.advance(61)
        post.script = [OSError()]
        await workbench.drain()
        rows.append(await _row(workbench))

    post.on_send = lose

    async def late(effect: crmd.Effect) -> object:
        await post.send(effect)
        raise crmd.GateClosed("x", after_seconds=1, reason="late")

    with pytest.raises(crmd.GateClosed):
        await JobContext(run, workbench.everything.services).effect("mail", key="ann", send=late)
    assert rows[0]["handovers"] == 2
    assert (await _row(workbench)) | {"age_seconds": 0} == rows[0] | {"age_seconds": 0}


async def test_nobody_without_the_lease_hands_over(workbench: Workbench, post: Post) -> None:
    """A claim that was taken over sends nothing."""
    run = await _claimed(workbench, "parked")
    await _died(workbench, run)
    with pytest.raises(crmd.LeaseLost):
        await parked(JobContext(run, workbench.everything.services), Mail())
    assert (post.handed, await _rows(workbench)) == ([], [])


async def test_a_job_that_is_stopped_finishes_what_it_sends(workbench: Workbench, post: Post) -> None:
    """Told to stop in the middle of sending, a job waits a moment for the receipt instead of leaving a doubt."""
    run = await _claimed(workbench, "parked")
    with anyio.CancelScope() as scope:

        async def stop() -> None:
            run.stop = Stop.DRAIN
            scope.cancel()

        post.on_send = stop
        await parked(JobContext(run, workbench.everything.services), Mail())
    assert scope.cancelled_caught
    assert (await _row(workbench))["state"] == "confirmed"


async def test_a_send_that_does_not_end_is_cut(
    workbench: Workbench, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is stopped while the receiver is silent ends after the grace, and leaves a doubt."""
    monkeypatch.setattr("crmd.engine.sending.GRACE_SECONDS", 0.01)
    run = await _claimed(workbench, "parked")
    with anyio.CancelScope() as scope:

        async def hang() -> None:
            scope.cancel()
            await anyio.sleep_forever()

        post.on_send = hang
        await parked(JobContext(run, workbench.everything.services), Mail())
    row = await _row(workbench)
    assert (row["state"], row["reason"]) == ("unknown", "the job was stopped while it was sent")


async def test_stopped_before_it_was_sent_is_no_doubt(workbench: Workbench, post: Post) -> None:
    """A job that is told to stop between the hand-over and the first byte leaves an effect that was surely not sent."""
    run = await _claimed(workbench, "parked")

    async def allow(_: object) -> None:
        run.stop = Stop.DRAIN

    with pytest.raises(crmd.NotAccepted):
        await JobContext(run, workbench.everything.services).effect("mail", key="ann", send=post.send, allow=allow)
    assert ((await _row(workbench))["state"], post.handed) == ("refused", [])


async def test_what_is_not_allowed_does_not_leave(workbench: Workbench, post: Post) -> None:
    """`allow` is asked in the transaction that hands over: its writes go with it, and its refusal is kept."""

    async def suppressed(tx: crmd.Transaction) -> None:
        if await tx.fetchval("SELECT current_setting('crmd.workspace_id')") == str(workbench.workspace_id):
            raise crmd.EffectRefused("unsubscribed")

    post.allow = suppressed
    done = await workbench.run_job("parked", {"to": "ann"})
    assert (done.status, done.message) == ("failed", "unsubscribed")
    row = await _row(workbench)
    assert (row["state"], row["reason"], row["handovers"]) == ("refused", "unsubscribed", 0)

    async def capped(_: crmd.Transaction) -> None:
        raise crmd.GateClosed("cap/daily", after_seconds=60, reason="the daily cap")

    post.allow = capped
    later = await workbench.run_job("parked", {"to": "bob"})
    assert (later.status, later.attempt) == ("scheduled", 0)
    assert {row["state"] for row in await _rows(workbench)} == {"refused", "planned"}
    post.allow = None
    await workbench.drain(is_time_moved=True)
    assert post.accepted == ["bob"]


async def test_allow_has_the_plugins_rights_alone(workbench: Workbench, post: Post) -> None:
    """What `allow` runs is held by the role and the workspace of the plugin."""

    async def curious(tx: crmd.Transaction) -> None:
        await tx.fetchval("SELECT count(*) FROM crmd.connection_secret")

    post.allow = curious
    done = await workbench.run_job("parked", {"to": "ann"})
    assert done.errors[-1]["sqlstate"] == "42501"
    assert (post.handed, await _rows(workbench)) == ([], [])


async def test_a_receipt_that_cannot_be_kept_is_no_doubt(workbench: Workbench, post: Post) -> None:
    """A receipt without a JSON form, or a huge one, does not undo that the effect took place."""
    run = await _claimed(workbench, "parked")
    context = JobContext(run, workbench.everything.services)

    async def odd(_: crmd.Effect) -> object:
        return object()

    async def huge(_: crmd.Effect) -> object:
        return "x" * 300_000 + "\x00"

    assert await context.effect("mail", key="odd", send=odd) is None
    assert (await context.effect("mail", key="huge", send=huge))["truncated"]
    assert {row["state"] for row in await _rows(workbench)} == {"confirmed"}
    assert not post.handed


async def test_a_receipt_that_the_database_refuses_is_no_doubt(
    workbench: Workbench, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a receipt cannot be stored, that it was accepted is stored without it."""
    settle = effects.settle

    async def picky(*args: Any, receipt: object = None, **more: Any) -> bool:  # noqa: ANN401 - as settle takes them
        if receipt is not None:
            raise asyncpg.DataError
        return await settle(*args, receipt=receipt, **more)

    monkeypatch.setattr(effects, "settle", picky)
    done = await workbench.run_job("parked", {"to": "ann"})
    assert (done.status, done.result, post.accepted) == ("completed", None, ["ann"])
    assert (await _row(workbench))["state"] == "confirmed"


@pytest.mark.parametrize(("kind", "key"), [("", "k"), ("mail", ""), ("x" * 101, "k"), ("mail", "k" * 501)])
async def test_a_kind_and_a_key_have_their_bounds(workbench: Workbench, kind: str, key: str) -> None:
    """What could not be stored is refused before anything happens."""
    run = await _claimed(workbench, "parked")
    with pytest.raises(crmd.CrmdError, match="1 to"):
        await JobContext(run, workbench.everything.services).effect(kind, key=key, send=POST.send)


async def test_effects_of_ended_jobs_are_swept(workbench: Workbench, post: Post) -> None:
    """What is over goes with its job's retention; what is unknown stays until it is resolved."""
    await workbench.run_job("parked", {"to": "ann"})
    post.script = [OSError()]
    await workbench.run_job("parked", {"to": "bob"})
    pool = workbench.everything.pools.plugins
    assert await effects.sweep(pool, days=30, rows_max=10) == 0
    await workbench.clock.advance(31 * 86_400)
    assert await effects.sweep(pool, days=30, rows_max=10) == 1
    assert [row["state"] for row in await _rows(workbench)] == ["unknown"]


async def test_the_outcome_outlives_a_short_outage(
    workbench: Workbench, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the database goes away while the receiver answers, what became of it is written as soon as it is back."""
    failures = [asyncpg.ConnectionDoesNotExistError(), OSError()]
    settle = effects.settle

    async def shaky(*args: Any, **more: Any) -> bool:  # noqa: ANN401 - as settle takes them
        if failures:
            raise failures.pop()
        return await settle(*args, **more)

    monkeypatch.setattr(effects, "settle", shaky)
    monkeypatch.setattr("crmd.engine.sending.WRITE_DELAYS_SECONDS", (0.0, 0.0, 0.0))
    done = await workbench.run_job("parked", {"to": "ann"})
    assert (done.status, failures) == ("completed", [])
    failures += [OSError() for _ in range(9)]
    lost = await workbench.run_job("parked", {"to": "bob"})
    assert (lost.status, lost.message.partition(" effect")[0]) == ("scheduled", "what became of")
    failures.clear()
    [held] = await workbench.drain(is_time_moved=True)
    assert (held.status, post.accepted) == ("pending", ["ann", "bob"])
