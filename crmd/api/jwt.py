"""JSON Web Tokens (RFC 7519) of a front end's own login: HS256 by a shared secret, RS256 and ES256 by public keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.api.public_keys import PublicKey
    from crmd.secret import Secret

TOKEN_MAX = 8 * 1024
# Clocks of two machines are that far apart at most.
LEEWAY_SECONDS = 30.0


class Header(msgspec.Struct, frozen=True):
    """What a token says of its own signature."""

    alg: str
    kid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Which tokens are believed.

    Attributes:
        secret: Shared with who signs, for HS256; None: no such token is.
        keys: Public keys by their id, for RS256 and ES256.
        issuer: That `iss` must be; None: any.
        audience: That `aud` must hold; None: any.
    """

    secret: Secret | None = None
    keys: Mapping[str, PublicKey]
    issuer: str | None = None
    audience: str | None = None


class Distrust(Exception):  # noqa: N818 - what is felt, not an error of ours
    """The token is not believed; the text says why, for the log."""


def key_id(token: str) -> str | None:
    """Which key a token says it is signed with; None: it does not say, or is no token."""
    try:
        return msgspec.json.decode(raw_part(token.split(".", maxsplit=1)[0]), type=Header).kid
    except (msgspec.MsgspecError, ValueError):
        return None


def claims_of(token: str, trust: Trust, now: float | None = None) -> dict[str, Any]:
    """The claims of a token whose signature, times, issuer and audience are right.

    Args:
        token: As it was sent.
        trust: What is believed.
        now: Seconds since 1970; None: it is asked.

    Raises:
        Distrust: It is not believed.
    """
    parts = token.split(".")
    if len(parts) != 3 or len(token) > TOKEN_MAX:  # noqa: PLR2004 - header, claims, signature
        raise Distrust("it is no token")
    try:
        header = msgspec.json.decode(raw_part(parts[0]), type=Header)
        claims = msgspec.json.decode(raw_part(parts[1]), type=dict[str, Any])
        signature = raw_part(parts[2])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Distrust("it cannot be read") from None
    _check_signature(header, f"{parts[0]}.{parts[1]}".encode(), signature, trust)
    _check_claims(claims, trust, time.time() if now is None else now)
    return claims


def claim(claims: Mapping[str, Any], path: str) -> str | None:
    """The text at a path with dots; None: there is none."""
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None


def _check_signature(header: Header, signed: bytes, signature: bytes, trust: Trust) -> None:
    if header.alg == "HS256" and trust.secret is not None:
        wanted = hmac.new(trust.secret.reveal().encode(), signed, hashlib.sha256).digest()
        if hmac.compare_digest(wanted, signature):
            return
        raise Distrust("its signature is wrong")
    key = trust.keys.get(header.kid or "")
    if key is None or not key.has_signed(header.alg, signature, signed):
        raise Distrust("nobody known has signed it so")


def _check_claims(claims: Mapping[str, Any], trust: Trust, now: float) -> None:
    ends, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(ends, int | float) or not isinstance(begins, int | float):
        raise Distrust("it does not say when it ends")
    if now > ends + LEEWAY_SECONDS or now < begins - LEEWAY_SECONDS:
        raise Distrust("it is not of this time")
    if trust.issuer is not None and claims.get("iss") != trust.issuer:
        raise Distrust("it is of another issuer")
    audience = claims.get("aud")
    if trust.audience is not None and trust.audience not in (audience if isinstance(audience, list) else [audience]):
        raise Distrust("it is for somebody else")


def raw_part(part: str) -> bytes:
    """The bytes; written in one way only, which is without padding (RFC 7515, 2)."""
    if "=" in part:
        raise ValueError("padding")
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
