"""Where the master keys come from: the settings, a file of the operator, or a file made for the embedded database."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crmd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.secret import Secret

KEY_BYTES = 32
KEY_FILE_NAME = "master.key"
FILE_BYTES_MAX = 65_536
WORLD_READABLE = 0o004
MAKE_KEY = "Make one with: head -c 32 /dev/urandom | base64"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """An AES-256 key and the id that sealed texts name it by.

    Args:
        octets: The key; never printed.
    """

    octets: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """Derived from the key, so that nobody has to keep names for keys. Eight hex digits."""
        return hashlib.sha256(b"crmd master key id\0" + self.octets).hexdigest()[:8]


def parse_keys(text: str, origin: str) -> tuple[MasterKey, ...]:
    """Keys in base64, one a line or word; the first seals, all open. `#` begins a comment.

    Raises:
        ConfigError: There is none, or one is not 32 bytes in base64.
    """
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    if not words:
        raise ConfigError(f"The master key in {origin} is empty.", hint=MAKE_KEY)
    return tuple(MasterKey(_octets(word, origin)) for word in words)


def _octets(word: str, origin: str) -> bytes:
    try:
        octets = base64.b64decode(word.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if len(octets) != KEY_BYTES:
        raise ConfigError(f"A master key in {origin} is not {KEY_BYTES} bytes in base64.", hint=MAKE_KEY)
    return octets


def load_keys(
    *, master_key: Secret | None, master_key_path: Path | None, state_dir: Path, is_embedded: bool
) -> tuple[MasterKey, ...]:
    """The keys, from the first place that has one.

    Args:
        master_key: Given by credential, environment or setting.
        master_key_path: File of the operator.
        state_dir: Where the key of an embedded database lives, and is made on first use.
        is_embedded: Whether the database is the embedded one.

    Raises:
        ConfigError: There is no key, or it can't be used.
    """
    if master_key:
        return parse_keys(master_key.reveal(), "the setting vault.master_key")
    if master_key_path is not None:
        return _from_file(master_key_path)
    path = state_dir / KEY_FILE_NAME
    if is_embedded and not path.exists():
        _make(path)
    if path.exists():
        return _from_file(path)
    raise ConfigError(
        "There is no master key, which seals the tokens of connections.",
        hint=f"{MAKE_KEY} and give it as systemd credential crmd-master-key, in $CRMD_MASTER_KEY or by"
        " vault.master_key_path; every daemon of the database needs the same one.",
    )


def _from_file(path: Path) -> tuple[MasterKey, ...]:
    try:
        if path.stat().st_mode & WORLD_READABLE:
            raise ConfigError(f"Everybody can read the master key in {path}.", hint=f"Run: chmod 600 {path}")
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX).decode("ascii", "replace")
    except OSError as error:
        raise ConfigError(f"The master key in {path} cannot be read: {error.strerror}.") from None
    return parse_keys(text, str(path))


def _make(path: Path) -> None:
    """Write a new key for nobody but us; a daemon that was faster keeps its own."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, unlike a rename, never replaces a key that is there: tokens may be sealed with it already.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
