"""A POST that takes place once: what each answer proves, and what arrives at a receiver that knows no keys."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

import crmd
from crmd.http import GuardedClient, HttpPolicy, Response
from crmd.http.posting import receipt_of
from crmd.testing.sandbox import Sink, faults

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


class Hook(crmd.Payload, frozen=True):
    """What to tell, and where."""

    deal: int
    url: str


@crmd.job("tell-once")
async def tell_once(ctx: crmd.Context, payload: Hook) -> object:
    """Posts a deal."""
    async with GuardedClient("none", policy=HttpPolicy(deadline_seconds=0.3)) as client:
        send = crmd.posting(client, f"{payload.url}/hook", json={"deal": payload.deal}, headers={"X-From": "crm"})
        return await ctx.effect("http", key=f"deal/{payload.deal}", send=send)


ANSWERS = [
    (200, b'{"id": 7}', {"status": 200, "body": {"id": 7}}),
    (202, b"", {"status": 202, "body": None}),
    (201, b"<html>", {"status": 201, "body": None}),
    (200, b"[" * 20_000, {"status": 200, "body": None}),
    *((status, b"", crmd.EffectRefused) for status in (400, 401, 403, 404, 410, 413, 422, 501)),
    *((status, b"", crmd.OutcomeUnknown) for status in (303, 307, 408, 409, 425, 500, 502, 503, 504, 599)),
]


@pytest.mark.parametrize(("status", "body", "expected"), ANSWERS)
def test_what_an_answer_proves(status: int, body: bytes, expected: Any) -> None:  # noqa: ANN401 - a receipt or an error
    """2xx is a receipt, a refusal is for good, and whatever may have happened is unknown."""
    response = Response(status, {}, body, "hooks.example")
    if isinstance(expected, dict):
        assert receipt_of(response) == expected
        return
    with pytest.raises(expected, match=str(status)):
        receipt_of(response)


async def test_a_post_arrives_once(workbench: Workbench) -> None:
    """The receiver gets the effect's id as its key, and a second job posts nothing."""
    async with Sink.running() as sink:
        for _ in range(2):
            done = await workbench.run_job("tell-once", {"deal": 1, "url": sink.url})
            assert done.result == {"status": 202, "body": {"id": 1}}
        [accepted] = sink.accepted
        effect_id = await workbench._pool.fetchval("SELECT id FROM crmd.effect")
        assert (accepted.kind, accepted.content, accepted.key) == ("hook", {"deal": 1}, str(effect_id))
        assert sink.repeated("deal") == {}


@pytest.mark.parametrize("fault", [faults.lost_answer(), faults.cut(0), faults.slow(1.0), faults.server_error(502)])
async def test_a_post_without_an_answer_is_not_repeated(workbench: Workbench, fault: faults.Fault) -> None:
    """Whether it was accepted and the answer lost, or never taken: the job is held, and nothing is sent again."""
    async with Sink.running() as sink:
        sink.faults.next(fault)
        held = await workbench.run_job("tell-once", {"deal": 1, "url": sink.url})
        assert (held.status, held.attempt) == ("pending", 0)
        assert await workbench.drain(is_time_moved=True) == []
        assert len(sink.log.requests) <= 1
        assert len(sink.accepted) == (fault.status != 502)


@pytest.mark.parametrize(("fault", "status"), [(faults.rate_limited("60"), "scheduled"), (None, "completed")])
async def test_a_post_that_was_told_to_wait_is_sent_later(
    workbench: Workbench, fault: faults.Fault | None, status: str
) -> None:
    """A 429 is no doubt: the effect is refused, and the next attempt posts it."""
    async with Sink.running() as sink:
        sink.faults.next(*([] if fault is None else [fault]))
        first = await workbench.run_job("tell-once", {"deal": 1, "url": sink.url})
        assert first.status == status
        await workbench.drain(is_time_moved=True)
        assert len(sink.accepted) == 1
