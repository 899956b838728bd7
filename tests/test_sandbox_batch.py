"""The batch endpoint of the sandbox, and faults that need two requests at once."""

from __future__ import annotations

import asyncio
import email
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from crmd.testing.sandbox import FaultPlan, GmailSandbox, Mailbox, faults
from crmd.testing.sandbox.exchange import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAIL = b"From: ann@a.example\r\nSubject: Hi\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\n\r\nHello\r\n"


@asynccontextmanager
async def signed_in(concurrent_max: int | None = None) -> AsyncIterator[tuple[GmailSandbox, aiohttp.ClientSession]]:
    """Give a sandbox with one account and a session that carries its token."""
    async with GmailSandbox.running(concurrent_max=concurrent_max) as sandbox:
        account = sandbox.add_account("jana@nordwerk.example")
        token = sandbox.grants.refresh(account.refresh_token).access_token
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            yield sandbox, http


def batch_body(paths: list[str]) -> tuple[bytes, dict[str, str]]:
    """Give body and headers of a batch that gets these paths."""
    parts = [
        f"--b1\r\nContent-Type: application/http\r\nContent-ID: <item-{at}>\r\n\r\nGET {path} HTTP/1.1\r\n\r\n\r\n"
        for at, path in enumerate(paths)
    ]
    return ("".join(parts) + "--b1--\r\n").encode(), {"Content-Type": "multipart/mixed; boundary=b1"}


async def post(sandbox: GmailSandbox, http: aiohttp.ClientSession, paths: list[str]) -> dict[str, tuple[int, object]]:
    """Send a batch and give status and JSON by Content-ID, in the order of the answer."""
    body, headers = batch_body(paths)
    async with http.post(sandbox.batch_url, data=body, headers=headers) as response:
        assert response.status == 200
        head = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + await response.read())
    answers: dict[str, tuple[int, object]] = {}
    for part in message.walk():
        if part.get_content_type() == "application/http":
            status_line, _, rest = str(part.get_payload()).partition("\r\n")
            answers[str(part["Content-ID"])] = (int(status_line.split()[1]), json.loads(rest.partition("\r\n\r\n")[2]))
    return answers


async def test_each_part_has_its_own_status() -> None:
    """Parts are answered by `response-` ids, each with its status, in an order of the provider's own."""
    async with signed_in() as (sandbox, http):
        box: Mailbox = sandbox.accounts["jana@nordwerk.example"].mailbox
        ids = [box.add(MAIL).id for _ in range(8)]
        box.delete(ids[3])
        sandbox.faults.next(faults.rate_limited(), path=ids[5], where="part")
        answers = await post(sandbox, http, [f"/gmail/v1/users/me/messages/{one}?format=minimal" for one in ids])
        statuses = {key: status for key, (status, _) in answers.items()}
        assert statuses.pop("<response-item-3>") == 404
        assert statuses.pop("<response-item-5>") == 429
        assert set(statuses.values()) == {200}
        assert list(answers) != sorted(answers)
        found = answers["<response-item-0>"][1]
        assert isinstance(found, dict)
        assert found["id"] == ids[0]


async def test_a_part_costs_what_its_call_costs() -> None:
    """A batch of n gets takes the units of n gets."""
    async with signed_in() as (sandbox, http):
        message = sandbox.accounts["jana@nordwerk.example"].mailbox.add(MAIL)
        await post(sandbox, http, [f"/gmail/v1/users/me/messages/{message.id}"] * 4)
        assert sandbox.quota.spent("jana@nordwerk.example") == 20


@pytest.mark.parametrize(("count", "status"), [(100, 200), (101, 400)])
async def test_more_than_a_hundred_parts_are_refused(count: int, status: int) -> None:
    """A batch holds at most 100 parts; with more the whole request is a 400 that says so."""
    async with signed_in() as (sandbox, http):
        body, headers = batch_body(["/gmail/v1/users/me/profile"] * count)
        async with http.post(sandbox.batch_url, data=body, headers=headers) as response:
            assert response.status == status
            assert (b"Received: 101, Limit: 100" in await response.read()) == (status == 400)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"),
        (b"no parts here", "multipart/mixed; boundary=b1"),
        (b"--b1\r\nContent-Type: text/plain\r\n\r\nGET / HTTP/1.1\r\n\r\n--b1--\r\n", "multipart/mixed; boundary=b1"),
        (
            b"--b1\r\nContent-Type: application/http\r\n\r\nGET http://x/ HTTP/1.1\r\n\r\n--b1--\r\n",
            "multipart/mixed; boundary=b1",
        ),
    ],
)
async def test_a_wrong_batch_is_a_violation(body: bytes, kind: str) -> None:
    """A batch that is not multipart/mixed of application/http with path-only requests is refused and noted."""
    async with signed_in() as (sandbox, http):
        async with http.post(sandbox.batch_url, data=body, headers={"Content-Type": kind}) as response:
            assert response.status == 400
        assert len(sandbox.log.violations) == 1


async def test_too_many_parts_at_once_are_rate_limited() -> None:
    """With a concurrency limit the parts beyond it come back as 429."""
    async with signed_in(concurrent_max=2) as (sandbox, http):
        answers = await post(sandbox, http, ["/gmail/v1/users/me/profile"] * 3)
        assert [answers[f"<response-item-{at}>"][0] for at in range(3)] == [200, 200, 429]


async def test_a_held_request_counts_as_open() -> None:
    """While one answer is held, the next request of the same token exceeds a limit of one; after release both end."""
    async with signed_in(concurrent_max=1) as (sandbox, http):
        url = f"{sandbox.api_url}/gmail/v1/users/me/profile"
        sandbox.faults.next(faults.held())

        async def status() -> int:
            async with http.get(url) as response:
                return response.status

        first = asyncio.create_task(status())
        await sandbox.faults.shown(1)
        assert await status() == 429
        sandbox.faults.release()
        assert await first == 200


def test_a_storm_is_repeatable() -> None:
    """The same seed spoils the same calls; rate 0 spoils none."""

    def drawn(seed: int, rate: float) -> list[bool]:
        plan = FaultPlan()
        plan.storm(seed, rate, [faults.server_error()])
        return [plan.take(Call("GET", "/x")) is not None for _ in range(200)]

    assert drawn(1, 0.3) == drawn(1, 0.3) != drawn(2, 0.3)
    assert 30 < sum(drawn(1, 0.3)) < 90
    assert not any(drawn(1, 0.0))


def test_skip_and_times() -> None:
    """`skip` lets calls through before the first fault, `times` repeats the row."""
    plan = FaultPlan()
    plan.next(faults.server_error(), faults.unauthorized(), times=2, skip=1)
    shown = [plan.take(Call("GET", "/x")) for _ in range(6)]
    assert [fault.status if fault else None for fault in shown] == [None, 503, 401, 503, 401, None]
