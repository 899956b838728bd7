"""The vault: secrets at rest, each bound to the row it was sealed for.

A sealed text is `v1.<key id>.<base64url of nonce and ciphertext>`, AES-256-GCM. The associated data names table,
column, row, workspace and format, so a ciphertext that is changed, or copied to another row or tenant, does not open.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from crmd.errors import CrmdError
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from crmd.connections.master_key import MasterKey

FORMAT = "v1"
NONCE_BYTES = 12


class SealBroken(CrmdError):  # noqa: N818 - the state it is in
    """A sealed text that does not open: changed, moved from another row, or sealed with a key we don't have."""


@dataclass(frozen=True, slots=True)
class Place:
    """The one place where a sealed text opens.

    Args:
        table: With its schema.
        column: That holds the sealed text.
        row: The row's key.
        workspace: The tenant it belongs to.
    """

    table: str
    column: str
    row: str
    workspace: str

    @property
    def associated_data(self) -> bytes:
        """What the seal binds; injective, since no part may hold the separator."""
        parts = (self.table, self.column, self.row, self.workspace, FORMAT)
        if any("|" in part for part in parts):
            raise ValueError("a part of a vault place may not hold |")
        return "|".join(parts).encode()


def secret_place(workspace_id: UUID, connection_id: UUID, name: str) -> Place:
    """Where a connection's secret of that name is kept."""
    return Place("crmd.connection_secret", "ciphertext", f"{connection_id}/{name}", str(workspace_id))


def webhook_place(workspace_id: UUID, secret_id: UUID) -> Place:
    """Where a secret of a webhook is kept."""
    return Place("crmd.webhook_secret", "ciphertext", str(secret_id), str(workspace_id))


def payload_place(job_type: str) -> Place:
    """Where the payloads of a job type are kept: any of its jobs, waiting, running or over."""
    return Place("crmd.job", "payload", job_type, "*")


class Vault:
    """Seals with the first key and opens with any.

    Args:
        keys: The first seals, each opens.
        random_bytes: Source of nonces; 96 random bits are safe for 2**32 seals under one key.
        missing: Raised by whoever seals or opens, when there are no keys.
    """

    def __init__(
        self,
        keys: Sequence[MasterKey],
        *,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        missing: CrmdError | None = None,
    ) -> None:
        self._missing = missing
        self._current_id = keys[0].key_id if keys else ""
        self._octets = {key.key_id: key.octets for key in keys}
        self._ciphers: dict[str, AESGCM] = {}
        self._random_bytes = random_bytes

    @property
    def current_prefix(self) -> str:
        """How everything begins that the current key has sealed."""
        return f"{FORMAT}.{self._current_id}."

    def seal(self, place: Place, secret: Secret) -> str:
        """The sealed text for that place; another one each time.

        Raises:
            CrmdError: There is no key.
        """
        if self._missing is not None:
            raise self._missing
        nonce = self._random_bytes(NONCE_BYTES)
        box = self._cipher(self._current_id).encrypt(nonce, secret.reveal().encode(), place.associated_data)
        return self.current_prefix + base64.urlsafe_b64encode(nonce + box).decode().rstrip("=")

    def unseal(self, place: Place, sealed: str) -> Secret:
        """The secret.

        Raises:
            SealBroken: It was changed, moved, or sealed with another key.
        """
        if self._missing is not None:
            raise self._missing
        form, _, rest = sealed.partition(".")
        key_id, _, box = rest.partition(".")
        if form != FORMAT or key_id not in self._octets:
            raise SealBroken(
                f"A secret of {place.row} was sealed with the key {key_id[:8]!r}, which is not among the master keys.",
                hint="Add that key after the current one.",
            )
        try:
            octets = base64.b64decode(box + "=" * (-len(box) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _broken(place) from None
        cipher, wrong_tag = self._cipher(key_id), import_module("cryptography.exceptions").InvalidTag
        try:
            return Secret(cipher.decrypt(octets[:NONCE_BYTES], octets[NONCE_BYTES:], place.associated_data).decode())
        except (wrong_tag, ValueError):
            raise _broken(place) from None

    def _cipher(self, key_id: str) -> AESGCM:
        """Made when it is first used: the library takes 7 MiB, which a daemon without secrets need not have."""
        if (cipher := self._ciphers.get(key_id)) is None:
            made: AESGCM = import_module("cryptography.hazmat.primitives.ciphers.aead").AESGCM(self._octets[key_id])
            cipher = self._ciphers[key_id] = made
        return cipher


def _broken(place: Place) -> SealBroken:
    return SealBroken(
        f"A secret of {place.row} does not open: it was changed or copied from another row.",
        hint="Add the connection again with a new consent.",
    )
