"""What an answer means for the request that got it; a provider may bring its own reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from crmd.backoff import parse_retry_after
from crmd.http.response import served_at


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Refused for now and surely not executed; everybody with the same key should pause.

    Args:
        after_seconds: Not earlier than this; None when the answer does not say.
        reason: For people, without secrets.
    """

    after_seconds: float | None = None
    reason: str = "the provider's rate limit"


@dataclass(frozen=True, slots=True)
class Retryable:
    """A passing fault of the server; whether the request took effect is not known.

    Args:
        after_seconds: Not earlier than this; None when the answer does not say.
    """

    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class AuthExpired:
    """The access token is not accepted (any more)."""


@dataclass(frozen=True, slots=True)
class Final:
    """An answer, good or bad, that the same request would get again."""


Verdict: TypeAlias = RateLimited | Retryable | AuthExpired | Final
Classify: TypeAlias = Callable[[int, Mapping[str, str], bytes], Verdict]
"""Status, headers and body to a verdict. Pure; the body is untrusted text."""

_PASSING = frozenset({408, 425, 500, 502, 503, 504})


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:  # noqa: ARG001 - others read the body
    """The reading that holds for any HTTP server (RFC 9110, RFC 6585)."""
    after_seconds = parse_retry_after(headers.get("Retry-After"), served_at(headers))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(after_seconds)
    if status == HTTPStatus.SERVICE_UNAVAILABLE and after_seconds is not None:
        return RateLimited(after_seconds, "the provider is unavailable")
    if status == HTTPStatus.UNAUTHORIZED:
        return AuthExpired()
    return Retryable(after_seconds) if status in _PASSING else Final()
