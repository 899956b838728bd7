"""Consent on another device (RFC 8628): the user types a short code, the daemon asks until it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import anyio
import msgspec

from crmd.connections.consent import kept
from crmd.connections.oauth import Refusal, Trouble, ask, operator_fault, read_answer
from crmd.errors import RetryJob, UnreachableError, UsageError
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crmd.connections.oauth import Grant
    from crmd.connections.provider import ClientCredentials, Provider
    from crmd.http.client import GuardedClient

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL_SECONDS = 5.0
SLOWER_SECONDS = 5.0
LIFETIME_SECONDS_MAX = 1800.0
_WAITING = frozenset({Trouble.PENDING, Trouble.SLOW_DOWN, Trouble.TRY_AGAIN})

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the user is shown, and what the daemon asks with.

    Args:
        user_code: To be typed.
        verification_uri: Where.
        lifetime_seconds: How long it can be typed.
        interval_seconds: Between two questions.
        device_code: Ours; never shown.
    """

    user_code: str
    verification_uri: str
    lifetime_seconds: float
    interval_seconds: float
    device_code: Secret


class _Answer(msgspec.Struct):
    device_code: str
    user_code: str
    verification_uri: str = ""
    verification_url: str = ""  # what Google calls it
    expires_in: Seconds = LIFETIME_SECONDS_MAX
    interval: Seconds = INTERVAL_SECONDS


async def device_code(http: GuardedClient, provider: Provider, credentials: ClientCredentials) -> DeviceCode:
    """Ask for a code to show.

    Raises:
        CrmdError: It was refused, or is not offered.
    """
    if not provider.device_url:
        raise UsageError(f"{provider.name} offers no device code.", hint="Consent in a browser instead.")
    try:
        response = await ask(http, provider.device_url, credentials, {"scope": " ".join(provider.scopes)})
        if not response.is_ok:
            raise operator_fault(provider, _refusal(read_answer(response)))
        answer = response.json(_Answer)
    except RetryJob as error:
        raise UnreachableError(f"{error}.", hint="Check device_url, and start again.") from None
    return DeviceCode(
        answer.user_code,
        answer.verification_uri or answer.verification_url,
        min(answer.expires_in, LIFETIME_SECONDS_MAX),
        answer.interval,
        Secret(answer.device_code),
    )


def _refusal(answer: Grant | Refusal) -> Refusal:
    return answer if isinstance(answer, Refusal) else Refusal(Trouble.TRY_AGAIN, "unreadable_answer")


async def consent_by_code(
    http: GuardedClient,
    provider: Provider,
    credentials: ClientCredentials,
    *,
    show: Callable[[DeviceCode], None],
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> Grant:
    """Show the user a code and ask until it was typed, refused, or has lapsed.

    Raises:
        CrmdError: It was refused, took too long, or is not offered.
    """
    code = await device_code(http, provider, credentials)
    show(code)
    form = {"grant_type": GRANT_TYPE, "device_code": code.device_code.reveal()}
    interval_seconds, waited_seconds = code.interval_seconds, 0.0
    while waited_seconds < code.lifetime_seconds:
        await sleep(interval_seconds)
        waited_seconds += interval_seconds
        try:
            answer = read_answer(await ask(http, provider.token_url, credentials, form))
        except RetryJob:  # RFC 8628, 3.5: a connection that fails means to ask less often, not to give up
            answer = Refusal(Trouble.SLOW_DOWN, "unanswered")
        if not isinstance(answer, Refusal) or answer.trouble not in _WAITING:
            return kept(provider, answer)
        interval_seconds += SLOWER_SECONDS if answer.trouble is Trouble.SLOW_DOWN else 0.0
    raise operator_fault(provider, Refusal(Trouble.NEEDS_CONSENT, "expired_token"))
