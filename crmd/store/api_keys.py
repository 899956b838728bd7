"""Keys of the REST API: `crmd_<id>_<secret>`, of which the hash of the secret is kept.

The id is looked up, the secret compared; neither says anything about the other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crmd.errors import UsageError
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
_KEY = re.compile(r"^crmd_(?P<id>[a-z0-9]{12})_(?P<secret>[A-Za-z0-9_-]{43})$")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH = 12
SECRET_BYTES = 32
# What a wrong id is compared with, so that it takes no less time than a wrong secret.
_NOBODY = hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that is to be made.

    Args:
        client: Whose it is: a program, a front end, a person.
        scopes: What it may do, of `read`, `enqueue`, `manage`, `admin`.
        workspace_id: The only one that it may see; None: all.
        job_types: The only ones that it may enqueue; None: all.
        seconds: How long it lives; None: until it is revoked.
        created_by: Who makes it.
    """

    client: str
    scopes: Sequence[str]
    created_by: str
    workspace_id: UUID | None = None
    job_types: Sequence[str] | None = None
    seconds: float | None = None


async def create(database: Connection | Pool, new: NewKey) -> str:
    """Make a key; its text is shown this once.

    Raises:
        UsageError: The client has two keys that are alive.
    """
    key_id = "".join(secrets.choice(_LETTERS) for _ in range(ID_LENGTH))
    secret = base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    made = await database.fetchval(
        _SQL.api_key_add,
        key_id, new.client, _hashed(secret), list(new.scopes), new.workspace_id,
        None if new.job_types is None else list(new.job_types), new.created_by, new.seconds,
    )  # fmt: skip
    if made is None:
        raise UsageError(
            f"{new.client} has two keys that are alive.", hint="Revoke one of them first: crmd keys revoke ID."
        )
    return f"crmd_{key_id}_{secret}"


async def holder(database: Connection | Pool, text: str) -> tuple[str, Any] | None:
    """The id of a key and its row, if there is such a key and it is alive."""
    found = _KEY.match(text)
    if found is None:
        return None
    kept = await database.fetchval(_SQL.api_key_hash, found["id"], _NOBODY)
    if not hmac.compare_digest(kept, _hashed(found["secret"])):
        return None
    row = await database.fetchrow(_SQL.api_key_get, found["id"])
    return None if row is None else (found["id"], row)


async def note_use(database: Connection | Pool, key_id: str) -> None:
    """Remember that it is in use, to the minute."""
    await database.execute(_SQL.api_key_used, key_id)


async def listed(database: Connection | Pool, *, is_all: bool = False) -> Sequence[Any]:
    """Keys without their secrets, newest first; those that are over, too, if asked for."""
    return await database.fetch(_SQL.api_key_list, is_all)


async def revoke(database: Connection | Pool, key_id: str) -> str | None:
    """End a key at once; answers whose it was, or None: there is no such key."""
    client: str | None = await database.fetchval(_SQL.api_key_revoke, key_id)
    return client


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
