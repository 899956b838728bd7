"""Rows of a claim: what every job needs as columns, and the rest packed in one, which few handlers ever look at.

To decode a column costs more than to claim it. So the statements that claim in bulk answer the columns that decide how
a job runs, and one more, `cold`, made by `record_send` in PostgreSQL: it is taken apart when somebody asks.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crmd.store.leases import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from crmd.store.leases import Watermark

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_LENGTH = Struct("!ii")  # of a field: its type's oid and its bytes, -1 for NULL
_LONG = Struct("!q")
_INTEGER = Struct("!i")
_SHORT = Struct("!h")


def _instant(data: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=_LONG.unpack(data)[0])


def _uuid(data: bytes) -> UUID:
    return UUID(bytes=data)


# In the order of claim_ready.sql and crmd.claim_lanes. The first two are NOT NULL and of fixed size, so that the bytes
# of two rows compare as (rank_at, id) do.
_FIELDS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("rank_at", _instant),
    ("id", _uuid),
    ("claim_id", _uuid),
    ("attempt", lambda data: _SHORT.unpack(data)[0]),
    ("max_attempts", lambda data: _SHORT.unpack(data)[0]),
    ("crash_count", lambda data: _SHORT.unpack(data)[0]),
    ("snooze_count", lambda data: _INTEGER.unpack(data)[0]),
    ("priority", bytes.decode),
    ("queue", bytes.decode),
    ("workspace_id", _uuid),
    ("user_id", _uuid),
    ("run_at", _instant),
    ("created_at", _instant),
    ("checkpoint", itemgetter(slice(1, None))),  # behind the version of jsonb's binary form
)
_cold = itemgetter("cold")
_EPOCH_SECONDS = _EPOCH.timestamp()
_NAMES = [name for name, _ in _FIELDS]
# What is before it is NOT NULL and of fixed size: three of 8 or 16 bytes, three of 2, one of 4.
_PRIORITY_PLACE = _INTEGER.size + 7 * _LENGTH.size + 8 + 16 + 16 + 3 * _SHORT.size + _INTEGER.size
_PRIORITY_TO_QUEUE = _NAMES.index("queue") - _NAMES.index("priority")
_QUEUE_TO_RUN_AT = _NAMES.index("run_at") - _NAMES.index("queue")


def whole(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Every column of a claimed job; `row` itself when it has them already."""
    cold = row.get("cold")
    return row if cold is None else {**row, **_unpacked(cold)}


def watermark_of(rows: Iterable[Mapping[str, Any]]) -> Watermark:
    """The last of these rows in the order of the queue, as (rank_at, id)."""
    cold = max(map(_cold, rows), default=None)
    if cold is None:
        return BEGINNING
    first = _unpacked(cold, _FIELDS[:2])
    return first["rank_at"], first["id"]


def due_of(row: Mapping[str, Any]) -> tuple[str, float]:
    """The queue of a claimed job, and when it was due in seconds since 1970, without taking the whole row apart."""
    cold = row.get("cold")
    if cold is None:
        return row["queue"], row["run_at"].timestamp()
    place = _PRIORITY_PLACE
    for _ in range(_PRIORITY_TO_QUEUE):
        place += _LENGTH.size + max(_LENGTH.unpack_from(cold, place)[1], 0)
    size = _LENGTH.unpack_from(cold, place)[1]
    queue = cold[place + _LENGTH.size : place + _LENGTH.size + size].decode()
    for _ in range(_QUEUE_TO_RUN_AT):
        place += _LENGTH.size + max(_LENGTH.unpack_from(cold, place)[1], 0)
    return queue, _EPOCH_SECONDS + _LONG.unpack_from(cold, place + _LENGTH.size)[0] / 1e6


def _unpacked(cold: bytes, fields: tuple[tuple[str, Callable[[bytes], object]], ...] = _FIELDS) -> dict[str, Any]:
    values: dict[str, Any] = {}
    place = _INTEGER.size  # behind the number of fields
    for name, read in fields:
        _, size = _LENGTH.unpack_from(cold, place)
        place += _LENGTH.size
        values[name] = None if size < 0 else read(cold[place : place + size])
        place += max(size, 0)
    return values
