"""In which form JSON comes out of a connection and goes into it."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from crmd.stored_text import encode_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from crmd.store.pools import Connection

# The binary form of jsonb starts with its version.
JSON_PREFIX = {"json": b"", "jsonb": b"\x01"}


async def set_bytes_codec(connection: Connection) -> None:
    """The engine passes JSON on as bytes; a handler's type decodes it once."""
    for name, prefix in JSON_PREFIX.items():
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=prefix.__add__, decoder=_after(prefix), format="binary"
        )


async def set_object_codec(connection: Connection) -> None:
    """Plugins read and write plain Python objects."""
    for name, prefix in JSON_PREFIX.items():
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=_encoder(prefix), decoder=_decoder(prefix), format="binary"
        )


def _after(prefix: bytes) -> Callable[[bytes], bytes]:
    return itemgetter(slice(len(prefix), None))


def _encoder(prefix: bytes) -> Callable[[object], bytes]:
    return lambda value: prefix + encode_json(value)


def _decoder(prefix: bytes) -> Callable[[bytes], object]:
    cut = _after(prefix)
    return lambda data: msgspec.json.decode(cut(data))
