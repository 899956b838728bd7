"""Grants of a fake provider: codes, device codes and tokens, their lives and their deaths."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.testing.sandbox.clock import Now
from crmd.testing.sandbox.consents import Access, Device, Family, OAuthRefused, OAuthRules, PendingCode, Tokens

CODE_LIFE = timedelta(minutes=10)
VERIFIER_LENGTHS = range(43, 129)


class Grants:
    """Every consent given to the one client of a sandbox."""

    def __init__(self, rules: OAuthRules, now: Now) -> None:
        self.rules = rules
        self._now = now
        self._codes: dict[str, PendingCode] = {}
        self._devices: dict[str, Device] = {}
        self._refresh: dict[str, Family] = {}
        self._access: dict[str, Access] = {}

    def check_client(self, client_id: str, client_secret: str) -> None:
        """Refuse an unknown client or a wrong secret, as a fault of the operator."""
        known = hmac.compare_digest(client_id.encode(), self.rules.client_id.encode())
        if not known:
            raise OAuthRefused("invalid_client", "The OAuth client was not found.", 401)
        if not hmac.compare_digest(client_secret.encode(), self.rules.client_secret.encode()):
            raise OAuthRefused("invalid_client", "Unauthorized", 401)

    def consent(self, subject: str, scopes: frozenset[str]) -> str:
        """Give the refresh token of a new consent, as if its user had just agreed."""
        family = Family(subject, scopes)
        return self._new_refresh_token(family)

    def begin_code(self, pending: PendingCode) -> str:
        """Give an authorization code for a user who agreed."""
        code = "4/sandbox-" + secrets.token_urlsafe(24)
        self._codes[code] = pending
        return code

    def redeem_code(self, code: str, redirect_uri: str, verifier: str) -> Tokens:
        """Change a code, once, into tokens.

        Raises:
            OAuthRefused: The code is unknown, used or expired, or redirect URI or PKCE verifier do not match.
        """
        pending = self._codes.pop(code, None)
        if pending is None or pending.expires_at <= self._now():
            raise OAuthRefused("invalid_grant", "Malformed auth code.")
        if pending.redirect_uri != redirect_uri:
            raise OAuthRefused("redirect_uri_mismatch", "Bad Request")
        if pending.challenge and not _verifies(pending.challenge, verifier):
            raise OAuthRefused("invalid_grant", "Invalid code verifier.")
        return self._first_tokens(pending.subject, pending.scopes, is_offline=pending.is_offline)

    def start_device(self, scopes: frozenset[str]) -> tuple[str, Device]:
        """Give a device code and what its user has to type."""
        user_code = f"{secrets.token_hex(2)}-{secrets.token_hex(2)}".upper()
        device = Device(user_code, scopes, self._now() + timedelta(seconds=self.rules.device_seconds))
        code = "AH-1Ng-sandbox-" + secrets.token_urlsafe(24)
        self._devices[code] = device
        return code, device

    def decide_device(self, user_code: str, subject: str | None) -> None:
        """Let the user agree, or with None refuse.

        Raises:
            KeyError: Nobody was given this user code.
        """
        device = next((found for found in self._devices.values() if found.user_code == user_code), None)
        if device is None:
            raise KeyError(user_code)
        device.subject = subject
        device.is_denied = subject is None

    def poll_device(self, code: str) -> Tokens:
        """Give the tokens once the user agreed.

        Raises:
            OAuthRefused: Still pending, asked too soon, refused, expired or unknown.
        """
        device = self._devices.get(code)
        if device is None:
            raise OAuthRefused("invalid_grant", "Malformed device code.")
        if device.expires_at <= self._now():
            raise OAuthRefused("expired_token", "The device code has expired.")
        if device.is_denied:
            raise OAuthRefused("access_denied", "Forbidden", self.rules.device_refusal_status)
        self._mind_interval(device)
        if device.subject is None:
            raise OAuthRefused("authorization_pending", "Precondition Required", self.rules.device_pending_status)
        del self._devices[code]
        return self._first_tokens(device.subject, device.scopes, is_offline=True)

    def _mind_interval(self, device: Device) -> None:
        interval = timedelta(seconds=self.rules.device_interval_seconds)
        is_early = device.polled_at is not None and self._now() - device.polled_at < interval
        device.polled_at = self._now()
        if is_early:
            raise OAuthRefused("slow_down", "Forbidden", self.rules.device_refusal_status)

    def refresh(self, token: str) -> Tokens:
        """Give a new access token, and with rotation a new refresh token.

        Raises:
            OAuthRefused: The token is unknown or revoked, or rotation saw it used before.
        """
        family = self._refresh.get(token)
        if family is not None and self.rules.rotates and family.refresh_tokens[-1] != token:
            family.is_revoked = True
        if family is None or family.is_revoked:
            raise OAuthRefused("invalid_grant", "Token has been expired or revoked.")
        renewed = self._new_refresh_token(family) if self.rules.rotates else None
        return self._tokens(family, renewed)

    def revoke(self, token: str) -> bool:
        """End the consent a refresh or access token belongs to; False when the token is unknown."""
        access = self._access.get(token)
        family = self._refresh.get(token) or (access.family if access else None)
        if family is None:
            return False
        family.is_revoked = True
        return True

    def revoke_subject(self, subject: str) -> None:
        """End every consent of one user, as the user does in the account's settings."""
        for family in self._refresh.values():
            if family.subject == subject:
                family.is_revoked = True

    def family_of(self, access_token: str) -> Family | None:
        """Give the consent behind an access token, or None when it is unknown, expired or revoked."""
        access = self._access.get(access_token)
        if access is None or access.expires_at <= self._now() or access.family.is_revoked:
            return None
        return access.family

    def expire_access(self) -> None:
        """Let every access token given so far end now."""
        self._access.clear()

    def _first_tokens(self, subject: str, scopes: frozenset[str], *, is_offline: bool) -> Tokens:
        family = Family(subject, scopes)
        return self._tokens(family, self._new_refresh_token(family) if is_offline else None)

    def _new_refresh_token(self, family: Family) -> str:
        token = "1//sandbox-" + secrets.token_urlsafe(24)
        family.refresh_tokens.append(token)
        self._refresh[token] = family
        return token

    def _tokens(self, family: Family, refresh_token: str | None) -> Tokens:
        access_token = "ya29.sandbox-" + secrets.token_urlsafe(24)
        seconds = self.rules.access_seconds
        self._access[access_token] = Access(family, self._now() + timedelta(seconds=seconds))
        return Tokens(access_token, refresh_token, seconds, family.scopes)


def _verifies(challenge: str, verifier: str) -> bool:
    """Check a PKCE verifier against its S256 challenge (RFC 7636, section 4.6)."""
    if len(verifier) not in VERIFIER_LENGTHS:
        return False
    digest = hashlib.sha256(verifier.encode()).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"="), challenge.encode())
