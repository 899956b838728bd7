"""Job types that send to a receiver which takes a thing as often as it comes."""

from __future__ import annotations

import aiohttp
import msgspec

import crmd

TIMEOUT = aiohttp.ClientTimeout(total=1.0)


class Letter(crmd.Payload, frozen=True):
    """To whom, and where the receiver is."""

    to: str
    url: str


async def _send(payload: Letter, effect: crmd.Effect) -> object:
    """One POST. Only an error of the connection itself proves that nothing arrived."""
    body = msgspec.json.encode({"to": payload.to, "handover": effect.handovers})
    headers = {"Idempotency-Key": effect.idempotency_key}
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.post(f"{payload.url}/{effect.kind}", data=body, headers=headers) as answer,
        ):
            text = await answer.read()
    except aiohttp.ClientConnectorError:
        raise crmd.NotAccepted("nobody there", after_seconds=0.2) from None
    if answer.status >= 500:
        raise crmd.OutcomeUnknown(f"answered {answer.status}")
    return msgspec.json.decode(text)


async def _probe(payload: Letter, effect: crmd.Effect) -> object:
    params = {"key": effect.idempotency_key}
    async with (
        aiohttp.ClientSession(timeout=TIMEOUT) as session,
        session.get(f"{payload.url}/{effect.kind}", params=params) as answer,
    ):
        found = msgspec.json.decode(await answer.read())["found"]
    return found[0] if found else None


async def _sent(ctx: crmd.Context, payload: Letter, kind: str) -> object:
    return await ctx.effect(
        kind,
        key=payload.to,
        send=lambda effect: _send(payload, effect),
        probe=lambda effect: _probe(payload, effect),
        quiet_seconds=1.5,
    )


@crmd.job("send-parked", queue="normal", max_attempts=20, backoff=crmd.Backoff(first_seconds=0.2, factor=1))
async def send_parked(ctx: crmd.Context, payload: Letter) -> object:
    """Leaves a doubt to a person."""
    return await _sent(ctx, payload, "mail")


@crmd.job(
    "send-probed",
    queue="normal",
    max_attempts=20,
    on_unknown_effect="probe",
    backoff=crmd.Backoff(first_seconds=0.2, factor=1),
)
async def send_probed(ctx: crmd.Context, payload: Letter) -> object:
    """Asks when in doubt."""
    return await _sent(ctx, payload, "sms")
