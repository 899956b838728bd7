"""The token endpoint: what is asked of it, and what its answers mean.

Decisions follow the error code alone (RFC 6749, 5.2; RFC 8628, 3.5), never its description, which is free text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import msgspec

from crmd.errors import ConfigError, CrmdError, ExitCode, RetryJob, UnreachableError
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.connections.provider import ClientCredentials, Provider
    from crmd.http.client import GuardedClient
    from crmd.http.response import Response

TOKEN_DEADLINE_SECONDS = 20.0
_CODE = re.compile(r"[a-z_]{1,40}", re.ASCII)
_SERVER_FAULT = 500
_PASSING_STATUSES = frozenset({408, 429})


class Trouble(Enum):
    """What a refusal asks for."""

    NEEDS_CONSENT = "a new consent"
    MISCONFIGURED = "an operator"
    TRY_AGAIN = "another try"
    PENDING = "patience"
    SLOW_DOWN = "more patience"


_MEANING = {
    "invalid_grant": Trouble.NEEDS_CONSENT,
    "interaction_required": Trouble.NEEDS_CONSENT,
    "consent_required": Trouble.NEEDS_CONSENT,
    "login_required": Trouble.NEEDS_CONSENT,
    "access_denied": Trouble.NEEDS_CONSENT,
    "expired_token": Trouble.NEEDS_CONSENT,
    "authorization_pending": Trouble.PENDING,
    "slow_down": Trouble.SLOW_DOWN,
    "temporarily_unavailable": Trouble.TRY_AGAIN,
    "server_error": Trouble.TRY_AGAIN,
}
"""What is missing here is the operator's: invalid_client, unauthorized_client, invalid_scope, invalid_request …"""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token endpoint gave.

    Args:
        access_token: For the API.
        refresh_token: None when the one in use stays valid.
        lifetime_seconds: Of the access token, counted from the request; None: unknown.
        scopes: What was granted; empty when the answer does not say.
    """

    access_token: Secret
    refresh_token: Secret | None = None
    lifetime_seconds: float | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a token endpoint gave instead.

    Args:
        trouble: What it asks for.
        code: The error code, or the status when there is none.
    """

    trouble: Trouble
    code: str


class _Answer(msgspec.Struct):
    access_token: Annotated[str, msgspec.Meta(min_length=1)]
    refresh_token: str | None = None
    expires_in: float | str | None = None
    scope: str | None = None


class _Fault(msgspec.Struct):
    error: str


def read_answer(response: Response) -> Grant | Refusal:
    """What an answer of the token endpoint means; an unusable one is worth another try."""
    if response.is_ok:
        try:
            answer = msgspec.json.decode(response.body, type=_Answer)
        except (msgspec.DecodeError, RecursionError):
            return Refusal(Trouble.TRY_AGAIN, "unreadable_answer")
        return Grant(
            Secret(answer.access_token),
            Secret(answer.refresh_token) if answer.refresh_token else None,
            _seconds(answer.expires_in),
            tuple((answer.scope or "").split()),
        )
    if response.status >= _SERVER_FAULT or response.status in _PASSING_STATUSES:
        return Refusal(Trouble.TRY_AGAIN, f"status_{response.status}")
    try:
        code = msgspec.json.decode(response.body, type=_Fault).error
    except (msgspec.DecodeError, RecursionError):
        code = ""
    if not _CODE.fullmatch(code):
        return Refusal(Trouble.MISCONFIGURED, f"status_{response.status}")
    return Refusal(_MEANING.get(code, Trouble.MISCONFIGURED), code)


def _seconds(value: float | str | None) -> float | None:
    """Some servers send the number as text; a lifetime that is none counts as unknown."""
    try:
        seconds = float(value) if value is not None else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 < seconds < float("inf") else None


async def ask(http: GuardedClient, url: str, credentials: ClientCredentials, form: Mapping[str, str]) -> Response:
    """Post a form, with the client's credentials, to one of the OAuth endpoints.

    Raises:
        RetryJob: No answer came.
    """
    fields = {"client_id": credentials.client_id, **form}
    if credentials.client_secret:
        fields["client_secret"] = credentials.client_secret.reveal()
    return await http.request(
        "POST",
        url,
        data=fields,
        headers={"Accept": "application/json"},
        is_idempotent=False,  # with rotation, a second refresh with the same token can revoke the whole grant
        deadline_seconds=TOKEN_DEADLINE_SECONDS,
    )


async def refresh(
    http: GuardedClient, provider: Provider, credentials: ClientCredentials, refresh_token: Secret
) -> Grant | Refusal:
    """Exchange a refresh token for an access token.

    Raises:
        RetryJob: No answer came.
    """
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token.reveal()}
    return read_answer(await ask(http, provider.token_url, credentials, form))


async def revoke(http: GuardedClient, provider: Provider, credentials: ClientCredentials, token: Secret) -> bool:
    """Ask the provider to forget a grant (RFC 7009); False when it offers no way or does not confirm."""
    if not provider.revoke_url:
        return False
    try:
        return (await ask(http, provider.revoke_url, credentials, {"token": token.reveal()})).is_ok
    except RetryJob:  # the answer, not the fault, is what the caller tells the operator
        return False


def operator_fault(provider: Provider, refusal: Refusal) -> CrmdError:
    """A refusal as a sentence for whoever sits at the command line."""
    match refusal.trouble:
        case Trouble.MISCONFIGURED:
            return ConfigError(
                f"{provider.name} does not accept this OAuth client ({refusal.code}).",
                hint=f"Check client_id, client_secret, scopes and token_url of [providers.{provider.name}].",
            )
        case Trouble.NEEDS_CONSENT:
            return CrmdError(
                f"{provider.name} does not accept this grant ({refusal.code}).", hint="Ask the user to consent again."
            )
        case Trouble.TRY_AGAIN | Trouble.PENDING | Trouble.SLOW_DOWN:
            return UnreachableError(
                f"{provider.name} cannot answer now ({refusal.code}).",
                hint="Try again in a moment.",
                exit_code=ExitCode.TRY_AGAIN,
            )
