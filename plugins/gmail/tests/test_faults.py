from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from crmd_gmail import Units

from crmd.testing.sandbox import GmailSandbox, StoppedClock, faults, newer_quota

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.testing import Finished
    from tests.conftest import Office

pytestmark = pytest.mark.crmd_plugins("crm", "gmail")
MESSAGES = 12


async def full_sync(office: Office) -> Finished:
    """A first sync of a dozen messages, which must bring in each of them and waste no attempt but the given."""
    wanted = {office.account.mailbox.add(office.mail(number)).id for number in range(MESSAGES)}
    done = await office.run("sync-emails-initial", batchSize=6)
    assert set(await office.messages()) == wanted
    assert await office.bad_jobs() == []
    assert office.sandbox.faults.left() == 0
    assert office.sandbox.log.violations == []
    assert done.status == "completed"
    return done


async def attempts(office: Office) -> int:
    """The most that any job needed."""
    rows = await office.fetch("SELECT max(attempt) AS most FROM crmd.archive")
    return int(rows[0]["most"])


@pytest.mark.parametrize("path", ["/profile$", "/messages$", "/batch"])
async def test_rate_limited(office: Office, path: str) -> None:
    """A 429 with Retry-After parks the jobs of the connection until then; no attempt is lost."""
    office.sandbox.faults.next(faults.rate_limited(retry_after="90"), path=path, where="request")
    await full_sync(office)
    assert await attempts(office) == 1


async def test_rate_limited_without_a_time(office: Office) -> None:
    """A 429 that names no time is waited for and asked again."""
    office.sandbox.faults.next(faults.rate_limited(), path="/messages$", where="request")
    await full_sync(office)
    assert await attempts(office) == 1


@pytest.mark.parametrize("reason", ["rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded"])
async def test_quota_by_403(office: Office, reason: str) -> None:
    """The three 403s that are limits park the jobs of the connection; no attempt is lost."""
    office.sandbox.faults.next(faults.Fault(403, reason, "Quota exceeded", "120"), path="/messages$", where="request")
    await full_sync(office)
    assert await attempts(office) == 1


@pytest.mark.parametrize(
    "fault", [faults.server_error(), faults.server_error(500), faults.cut(), faults.malformed_json()], ids=repr
)
async def test_passing_faults(office: Office, fault: faults.Fault) -> None:
    """A 5xx, a cut answer and broken JSON, wherever they show, lose nothing."""
    for path in ("/profile$", "/messages$", "/batch"):
        office.sandbox.faults.next(fault, path=path, where="request")
    await full_sync(office)


@pytest.mark.parametrize(
    "fault",
    [
        faults.rate_limited(),
        faults.quota_exceeded(),
        faults.server_error(),
        faults.malformed_json(),
        faults.unauthorized(),
    ],
    ids=repr,
)
async def test_parts_that_fail(office: Office, fault: faults.Fault) -> None:
    """Only the parts of a batch that failed are asked for again."""
    office.sandbox.faults.next(fault, where="part", skip=2)
    office.sandbox.faults.next(fault, where="part")
    await full_sync(office)
    gets = [path for path in office.sandbox.log.paths() if "/messages/" in path]
    assert len(gets) == MESSAGES + 2
    assert await attempts(office) == 1


async def test_part_with_a_long_pause(office: Office) -> None:
    """A part that is held back for long leaves the others stored, and the rest waits without losing an attempt."""
    await office.workbench.drain()  # what connecting starts
    ids = [office.account.mailbox.add(office.mail(number)).id for number in range(4)]
    office.sandbox.faults.next(faults.rate_limited(retry_after="300"), where="part")
    batch = await office.workbench.enqueue("process-email-batch", {**office.payload, "messageIds": ids})
    first = await office.workbench.attempt(batch.id)
    assert (first.status, len(await office.messages()), len(first.checkpoint["ids"])) == ("scheduled", 3, 1)
    assert await office.workbench.drain() == []
    await office.workbench.clock.advance(310)
    await office.workbench.drain()
    done = await office.workbench.finished(batch.id)
    assert (done.status, done.attempt, done.result["stored"]) == ("completed", 1, 4)


async def test_part_that_always_fails(office: Office) -> None:
    """One message that Gmail can't give out leaves the others stored, and its job tells of it at the end."""
    wanted = {office.account.mailbox.add(office.mail(number)).id for number in range(3)}
    lost = office.account.mailbox.add(office.mail(9)).id
    office.sandbox.faults.next(faults.malformed_json(), path=f"/messages/{lost}$", times=50)
    done = await office.run("process-email-batch", messageIds=[*wanted, lost])
    assert (done.status, done.checkpoint["ids"]) == ("dead", [lost])
    assert "can't be used" in done.message
    assert set(await office.messages()) == wanted


@pytest.mark.parametrize("status", [404, 400, 501, 500])
async def test_no_batch_endpoint(office: Office, status: int) -> None:
    """Without a batch endpoint every message is asked for on its own, and the endpoint is left in peace."""
    fault = faults.Fault(status, "notFound", "No batches here.")
    await office.workbench.drain()  # what connecting starts
    office.sandbox.faults.next(fault, path="/batch", where="request", times=3 if status == 500 else 1)
    wanted = {office.account.mailbox.add(office.mail(number)).id for number in range(4)}
    office.configure(batch_max=2)
    done = await office.run("process-email-batch", messageIds=sorted(wanted))
    assert (done.status, done.attempt, done.result["stored"]) == ("completed", 1, 4)
    assert office.sandbox.faults.left() == 0
    assert office.sandbox.log.paths().count("POST /batch/gmail/v1") == (3 if status == 500 else 1)


async def test_batch_too_large(office: Office) -> None:
    """A batch whose answer is above what a client takes is halved until each part fits."""
    big = b"From: a@b.example\r\nSubject: big\r\n\r\n" + b"x" * (24 * 1024 * 1024)
    wanted = [office.account.mailbox.add(big).id, office.account.mailbox.add(big + b"y").id]
    office.configure(text_chars_max=1_000)
    done = await office.run("process-email-batch", messageIds=wanted)
    assert (done.status, done.result["stored"]) == ("completed", 2)


async def test_message_too_large_to_fetch(office: Office) -> None:
    """A message that can't even be fetched is put in quarantine with its size as the reason."""
    giant = office.account.mailbox.add(b"From: a@b.example\r\n\r\n" + b"x" * (49 * 1024 * 1024)).id
    done = await office.run("process-email-batch", messageIds=[giant])
    assert (done.status, done.result["quarantined"]) == ("completed", 1)
    assert "more than the" in (await office.quarantine())[giant]


async def test_storm(office: Office) -> None:
    """A quarter of all answers spoiled, of every kind: everything is stored in the end, nothing is dead."""
    kinds = [faults.rate_limited(), faults.server_error(), faults.cut(), faults.malformed_json()]
    for number in range(MESSAGES):
        office.account.mailbox.add(office.mail(number))
    office.sandbox.faults.storm(5, 0.25, kinds, path="/gmail/|/batch")
    await office.run("sync-emails-initial", batchSize=6)
    assert len(await office.messages()) == MESSAGES
    assert await office.bad_jobs() == []


async def test_outage(office: Office) -> None:
    """An hour in which Gmail answers nothing but 503 spends no attempt, and nothing is missing afterwards."""
    wanted = {office.account.mailbox.add(office.mail(number)).id for number in range(4)}
    enqueued = await office.workbench.enqueue("sync-emails-initial", {**office.payload, "batchSize": 2})
    office.sandbox.faults.storm(1, 1.0, [faults.server_error()], path="/messages|/batch")
    for _ in range(4):
        await office.workbench.drain()
        await office.workbench.clock.advance(900)
    assert await office.messages() == {}
    office.sandbox.faults.storm(1, 0.0, [])
    await office.workbench.drain(is_time_moved=True)
    assert (await office.workbench.finished(enqueued.id)).status == "completed"
    assert (set(await office.messages()), await office.bad_jobs(), await attempts(office)) == (wanted, [], 1)


async def test_outage_without_end(office: Office) -> None:
    """A message for which Gmail always fails doesn't keep its job for ever: after some hours it is dead."""
    await office.workbench.drain()  # what connecting starts
    lost = office.account.mailbox.add(office.mail(1)).id
    batch = await office.workbench.enqueue("process-email-batch", {**office.payload, "messageIds": [lost]})
    office.sandbox.faults.storm(1, 1.0, [faults.server_error()], path=f"/messages/{lost}$")
    await office.fetch("UPDATE crmd.job SET snooze_count = 24 WHERE id = $1", batch.id)
    await office.workbench.drain(is_time_moved=True)
    done = await office.workbench.finished(batch.id)
    assert (done.status, done.attempt) == ("dead", 3)
    assert "keeps answering 503" in done.message


async def test_token_dies_between_two_calls(office: Office) -> None:
    """An access token that ends in the middle is renewed once, also where the batch answers 200 around 401s."""
    office.account.mailbox.add(office.mail(0))
    await office.run("sync-emails-initial")
    office.sandbox.grants.expire_access()
    wanted = [office.account.mailbox.add(office.mail(number)).id for number in range(1, 5)]
    asked = len(office.sandbox.log.paths())
    done = await office.run("process-email-batch", messageIds=wanted)
    assert (done.status, done.attempt, done.result["stored"]) == ("completed", 1, 4)
    assert office.sandbox.log.paths()[asked:].count("POST /batch/gmail/v1") == 2


async def test_revoked_grant(office: Office) -> None:
    """A revoked grant gets one clear sentence: the connection says so, its jobs wait, and no attempt is lost."""
    office.account.mailbox.add(office.mail(1))
    await office.run("sync-emails-initial")
    office.sandbox.grants.revoke_subject(office.account.email)
    office.sandbox.grants.expire_access()
    waiting = await office.sync()
    assert await office.state() == "needs_reauth"
    assert (waiting.status, waiting.attempt) in {("pending", 0), ("scheduled", 0), ("pending", 1), ("scheduled", 1)}
    assert waiting.message.endswith("google needs a new consent (invalid_grant)")
    asked = len(office.sandbox.log.paths())
    assert await office.workbench.drain() == []
    assert len(office.sandbox.log.paths()) == asked
    assert await office.bad_jobs() == []


async def test_missing_scope(office: Office) -> None:
    """A refusal that no retry can mend fails the job at once with Google's reason."""
    refusal = faults.Fault(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
    office.sandbox.faults.next(refusal, path="/profile$")
    done = await office.run("sync-emails-initial")
    assert (done.status, done.attempt) == ("failed", 1)
    assert done.message == (
        "Gmail answered 403: Request had insufficient authentication scopes. (insufficientPermissions)."
    )


class TestNewerQuota:
    """With the limits of newer projects."""

    @pytest.fixture
    def sandbox_clock(self) -> StoppedClock:
        """Moved together with the database's."""
        return StoppedClock(datetime.now(UTC))

    @pytest.fixture
    async def sandbox(self, sandbox_clock: StoppedClock) -> AsyncIterator[GmailSandbox]:
        """In place of the ordinary one."""
        async with GmailSandbox.running(quota=newer_quota(), now=sandbox_clock) as sandbox:
            yield sandbox

    async def test_units_are_counted_ahead(self, office: Office, sandbox_clock: StoppedClock) -> None:
        """With the right units set Gmail never has to refuse, and a sync waits for its quota, losing no attempt."""
        for number in range(700):
            office.account.mailbox.add(office.mail(number))
        office.configure(units_per_minute=6_000, units=Units(messages_get=20))
        enqueued = await office.workbench.enqueue("sync-emails-initial", office.payload)
        minutes = 0.0
        while (await office.workbench.finished(enqueued.id)).status != "completed":
            await office.workbench.drain()
            await office.workbench.clock.advance(15)
            sandbox_clock.advance(15)
            minutes += 0.25
        refused = [record for record in office.sandbox.log.requests if record.status in {403, 429}]
        assert (refused, await attempts(office)) == ([], 1)
        assert len(await office.messages()) == 700
        assert 700 * 20 / 6_000 <= minutes <= 2 * 700 * 20 / 6_000

    async def test_a_page_of_history_above_the_quota(self, office: Office, sandbox_clock: StoppedClock) -> None:
        """More new mail on one page of history than a minute's quota is fetched step by step, each message once."""
        await office.workbench.drain()
        office.configure(units_per_minute=6_000, units=Units(messages_get=20))
        for number in range(400):
            office.account.mailbox.add(office.mail(number))
        enqueued = await office.workbench.enqueue("sync-emails-incremental", office.payload)
        for _ in range(20):
            await office.workbench.drain()
            await office.workbench.clock.advance(15)
            sandbox_clock.advance(15)
        done = await office.workbench.finished(enqueued.id)
        gets = [path for path in office.sandbox.log.paths() if "/messages/" in path]
        assert (done.status, done.attempt, len(gets), len(await office.messages())) == ("completed", 1, 400, 400)
