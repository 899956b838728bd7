"""JSON Web Tokens as a front end's login makes them, right ones and wrong ones; written from RFC 7515 alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

SECRET = "a shared secret of at least 32 characters"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGE_KEY = ec.generate_private_key(ec.SECP256R1())


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def claims_of(workspace_id: UUID, user_id: UUID, /, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any claim
    """What a token of a user of a workspace says for an hour."""
    now = time.time()
    return {"sub": str(user_id), "workspace_id": str(workspace_id), "iat": now, "exp": now + 3600} | more


def signed(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token."""
    text = f"{b64(msgspec.json.encode(header))}.{b64(msgspec.json.encode(claims))}"
    return f"{text}.{b64(sign(text.encode()))}"


def hs256(claims: dict[str, Any], secret: str | bytes = SECRET, alg: str = "HS256", kid: str | None = None) -> str:
    """Signed with a shared secret, whatever its header calls that."""
    key = secret.encode() if isinstance(secret, str) else secret
    header = {"alg": alg} | ({} if kid is None else {"kid": kid})
    return signed(header, claims, lambda text: hmac.new(key, text, hashlib.sha256).digest())


def rs256(claims: dict[str, Any], kid: str = "r1") -> str:
    """Signed with the RSA key."""
    return signed(
        {"alg": "RS256", "kid": kid}, claims, lambda text: RSA_KEY.sign(text, padding.PKCS1v15(), hashes.SHA256())
    )


def es256(claims: dict[str, Any], kid: str = "e1", key: ec.EllipticCurvePrivateKey = EC_KEY) -> str:
    """Signed with an elliptic curve key."""

    def sign(text: bytes) -> bytes:
        r, s = utils.decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    return signed({"alg": "ES256", "kid": kid}, claims, sign)


def unsigned(claims: dict[str, Any], alg: str = "none") -> str:
    """Signed by nobody."""
    return signed({"alg": alg}, claims, lambda _: b"")


def key_set() -> dict[str, Any]:
    """What a login publishes (RFC 7517), with a key of a kind that nobody here knows."""
    numbers, point = RSA_KEY.public_key().public_numbers(), EC_KEY.public_key().public_numbers()
    return {
        "keys": [
            {"kty": "RSA", "kid": "r1", "use": "sig", "n": b64(numbers.n.to_bytes(256)), "e": b64(b"\x01\x00\x01")},
            {"kty": "EC", "kid": "e1", "crv": "P-256", "x": b64(point.x.to_bytes(32)), "y": b64(point.y.to_bytes(32))},
            {"kty": "OKP", "kid": "o1", "crv": "Ed25519", "x": "AA"},
        ]
    }


def public_pem() -> bytes:
    """The public RSA key as text, which an attacker has, too."""
    return RSA_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
