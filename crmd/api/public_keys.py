"""Public keys of who signs tokens (RFC 7517), for RS256 and ES256.

Only imported where a key set is configured: the library takes 7 MiB and a tenth of a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from crmd.api.jwt import raw_part

if TYPE_CHECKING:
    from collections.abc import Mapping

_EC_BYTES = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key. It decides which algorithm is right, never the token: a public key is no shared secret."""

    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey

    def has_signed(self, algorithm: str, signature: bytes, signed: bytes) -> bool:
        """Whether the signature is of this key, made in the way that is its own."""
        try:
            match algorithm, self.key:
                case "RS256", rsa.RSAPublicKey() as key:
                    key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
                case "ES256", ec.EllipticCurvePublicKey() as key if len(signature) == 2 * _EC_BYTES:
                    key.verify(_der(signature), signed, ec.ECDSA(hashes.SHA256()))
                case _:
                    return False
        except InvalidSignature:
            return False
        return True


def public_keys(document: bytes) -> dict[str, PublicKey]:
    """The keys for signatures of a key set, by their id; of kinds that are not known here none.

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
            return PublicKey(rsa.RSAPublicNumbers(_number(e), _number(n)).public_key())
        case {"kty": "EC", "crv": "P-256", "x": str(x), "y": str(y)}:
            return PublicKey(ec.EllipticCurvePublicNumbers(_number(x), _number(y), ec.SECP256R1()).public_key())
        case _:
            return None


def _der(signature: bytes) -> bytes:
    r, s = signature[:_EC_BYTES], signature[_EC_BYTES:]
    return utils.encode_dss_signature(int.from_bytes(r), int.from_bytes(s))


def _number(text: str) -> int:
    return int.from_bytes(raw_part(text))
