"""JSON Web Tokens (RFC 7519) of a front end's own login: HS256 by a shared secret, RS256 and ES256 by public keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.secret import Secret

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
TOKEN_MAX = 8 * 1024
# Clocks of two machines are that far apart at most.
LEEWAY_SECONDS = 30.0
_EC_BYTES = 32


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
        return msgspec.json.decode(_raw(token.split(".", maxsplit=1)[0]), type=Header).kid
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
        header = msgspec.json.decode(_raw(parts[0]), type=Header)
        claims = msgspec.json.decode(_raw(parts[1]), type=dict[str, Any])
        signature = _raw(parts[2])
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


def public_keys(document: bytes) -> dict[str, PublicKey]:
    """The keys for signatures of a key set (RFC 7517), by their id; of kinds that are not known here none.

    Raises:
        ValueError: It is no key set.
    """
    try:
        described = msgspec.json.decode(document, type=dict[str, list[dict[str, Any]]])["keys"]
    except (msgspec.MsgspecError, KeyError) as error:
        raise ValueError("this is no key set") from error
    return {str(one.get("kid", "")): key for one in described if (key := _public_key(one)) is not None}


def _public_key(one: Mapping[str, Any]) -> PublicKey | None:
    if one.get("use", "sig") != "sig":
        return None
    match one:
        case {"kty": "RSA", "n": str(n), "e": str(e)}:
            return rsa.RSAPublicNumbers(_number(e), _number(n)).public_key()
        case {"kty": "EC", "crv": "P-256", "x": str(x), "y": str(y)}:
            return ec.EllipticCurvePublicNumbers(_number(x), _number(y), ec.SECP256R1()).public_key()
        case _:
            return None


def _check_signature(header: Header, signed: bytes, signature: bytes, trust: Trust) -> None:
    """The key decides which algorithm is right, never the token: a public key is no shared secret."""
    if header.alg == "HS256" and trust.secret is not None:
        wanted = hmac.new(trust.secret.reveal().encode(), signed, hashlib.sha256).digest()
        if hmac.compare_digest(wanted, signature):
            return
        raise Distrust("its signature is wrong")
    key = trust.keys.get(header.kid or "")
    try:
        match header.alg, key:
            case "RS256", rsa.RSAPublicKey():
                key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
            case "ES256", ec.EllipticCurvePublicKey():
                key.verify(_der(signature), signed, ec.ECDSA(hashes.SHA256()))
            case _:
                raise Distrust("nobody known has signed it")
    except InvalidSignature:
        raise Distrust("its signature is wrong") from None


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


def _der(signature: bytes) -> bytes:
    if len(signature) != 2 * _EC_BYTES:
        raise Distrust("its signature is wrong")
    r, s = signature[:_EC_BYTES], signature[_EC_BYTES:]
    return utils.encode_dss_signature(int.from_bytes(r), int.from_bytes(s))


def _raw(part: str) -> bytes:
    """The bytes; written in one way only, which is without padding (RFC 7515, 2)."""
    if "=" in part:
        raise ValueError("padding")
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _number(text: str) -> int:
    return int.from_bytes(_raw(text))
