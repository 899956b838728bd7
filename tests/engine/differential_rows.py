"""The tables of a real database, as the rows of the reference store."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reference_store import Store

    from crmd.store.pools import Pool

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
STATE = """
SELECT (SELECT jsonb_agg(to_jsonb(j)) FROM crmd.job j) AS job,
    (SELECT jsonb_agg(to_jsonb(l)) FROM crmd.lease l) AS lease,
    (SELECT jsonb_agg(to_jsonb(a)) FROM crmd.archive a) AS archive,
    (SELECT jsonb_agg(to_jsonb(k)) FROM crmd.unique_key k) AS unique_key,
    (SELECT jsonb_agg(to_jsonb(d)) FROM crmd.daemon d) AS daemon
"""
TABLES = ("job", "lease", "archive", "unique_key", "daemon")
Rows = dict[str, list[str]]


async def tables_of(pool: Pool) -> Rows:
    """What stands in the database, table by table, each row as text."""
    [found] = await pool.fetch(STATE)
    rows = {name: json.loads(found[name] or b"[]") for name in TABLES}
    return {
        "job": _texts(
            (*_job(row), _at(row["rank_at"]), row["held"], _id(row["follows"]), _at(row["expires_at"]))
            for row in rows["job"]
        ),
        "lease": _texts((*_job(row), *_claim(row)) for row in rows["lease"]),
        "archive": _texts(
            (*_job(row), _id(row["claim_id"]), row["status"], _at(row["finished_at"])) for row in rows["archive"]
        ),
        "unique_key": _texts(_key(row) for row in rows["unique_key"]),
        "daemon": _texts((_id(row["id"]), _at(row["lease_until"]), row["is_dead"]) for row in rows["daemon"]),
    }


def tables_in(store: Store) -> Rows:
    """The same of the reference."""
    keys = store.keys.rows.items()
    return {
        "job": _texts(job.waiting_row for job in store.waiting.values()),
        "lease": _texts(job.lease_row for job in store.leases.values()),
        "archive": _texts(job.archive_row for job in store.archive.values()),
        "unique_key": _texts(
            (name, key.job_id, key.scope, key.expires_at, key.moves_until, key.before_id) for name, key in keys
        ),
        "daemon": _texts((one.id, one.lease_until, one.is_dead) for one in store.daemons.values()),
    }


def _job(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        _id(row["id"]), _at(row["run_at"]), _at(row["created_at"]), row["fence"], row["attempt"], row["max_attempts"],
        row["crash_count"], row["snooze_count"], row["priority"], row["payload"], _name(row["unique_key"]),
        _at(row["started_at"]), [error["class"] for error in row["errors"] or ()],
    )  # fmt: skip


def _claim(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        _id(row["claim_id"]), _id(row["daemon_id"]), _at(row["claimed_at"]), row["is_alone"], row["cancel_reason"],
    )  # fmt: skip


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        _name(row["key"]), _id(row["job_id"]), row["scope"], _at(row["expires_at"]), _at(row["moves_until"]),
        _id(row["before_id"]),
    )  # fmt: skip


def _texts(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    return sorted(map(repr, rows))


def _id(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


def _name(key: str | None) -> str | None:
    """What the caller called the key: behind type and workspace."""
    return None if key is None else key.split("/")[-1]


def _at(value: str | None) -> float | None:
    if value is None:
        return None
    return math.inf if value == "infinity" else (datetime.fromisoformat(value) - EPOCH).total_seconds()
