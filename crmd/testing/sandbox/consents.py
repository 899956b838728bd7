"""The values of a fake OAuth server: its rules, consents, tokens and codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class OAuthRules:
    """How this provider's OAuth server behaves where providers differ.

    `rotates` gives a new refresh token with every refresh and takes the use of an old one as theft: the whole family of
    tokens dies. `device_pending_status` and `device_refusal_status` are Google's; RFC 8628 has 400 for both.
    """

    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-client-secret"  # noqa: S105 - opens nothing but the sandbox
    access_seconds: int = 3599
    rotates: bool = False
    device_seconds: int = 1800
    device_interval_seconds: int = 5
    device_pending_status: int = 428
    device_refusal_status: int = 403


class OAuthRefused(Exception):  # noqa: N818 - an ordinary answer of the provider
    """Refuses a token request, with the error code of RFC 6749 or RFC 8628."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


@dataclass(slots=True)
class Family:
    """All tokens that came from one consent; they die together."""

    subject: str
    scopes: frozenset[str]
    refresh_tokens: list[str] = field(default_factory=list)
    is_revoked: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token allows, and until when."""

    family: Family
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Tokens:
    """A successful token answer; `refresh_token` is None where the provider sends none."""

    access_token: str
    refresh_token: str | None
    expires_seconds: int
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class PendingCode:
    """An authorization code that was handed out and not redeemed yet."""

    subject: str
    scopes: frozenset[str]
    redirect_uri: str
    challenge: str
    is_offline: bool
    expires_at: datetime


@dataclass(slots=True)
class Device:
    """A device code, waiting for its user; `subject` is None until somebody agrees."""

    user_code: str
    scopes: frozenset[str]
    expires_at: datetime
    polled_at: datetime | None = None
    subject: str | None = None
    is_denied: bool = False
