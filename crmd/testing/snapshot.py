"""Every row that a job may have written, so that two ends of it can be compared.

What differs by nature (times, random ids) is not listed anywhere: whatever differs between two undisturbed runs is left
out of comparisons, column by column, and inside JSON name by name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from crmd.store.pools import Pool

_SQL = load_queries("crmd.testing")
SHOWN_CHARS = 300

Row: TypeAlias = "dict[str, Any]"
Masked: TypeAlias = "frozenset[tuple[str, str]]"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rows by table, each flattened to `column` or `column.name.name`."""

    tables: Mapping[str, Sequence[Row]]

    def only(self, workspace_id: object, *, is_inverted: bool = False) -> Snapshot:
        """The rows of a workspace alone, or all but those that belong to it or to nobody."""
        text = str(workspace_id)
        return Snapshot(
            {
                name: [
                    row
                    for row in rows
                    if (row.get("workspace_id") not in {None, text} if is_inverted else row.get("workspace_id") == text)
                ]
                for name, rows in self.tables.items()
            }
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """What one table has too many or too few of."""

    table: str
    missing: int
    extra: int
    example: str

    def __str__(self) -> str:
        """As a sentence."""
        counts = [f"{self.missing} missing"] * bool(self.missing) + [f"{self.extra} more"] * bool(self.extra)
        return f"{self.table}: {' and '.join(counts)}, as {self.example}"


class Comparison:
    """Compares snapshots with that of an undisturbed run.

    Args:
        first: Of one undisturbed run.
        second: Of another; what differs between the two differs by nature.
    """

    def __init__(self, first: Snapshot, second: Snapshot) -> None:
        self._expected = first
        self._moody = {
            name: _moody(first.tables.get(name, ()), second.tables.get(name, ())) for name in _names(first, second)
        }

    def differences(self, other: Snapshot) -> list[Difference]:
        """Where another end differs from the undisturbed one."""
        return list(self._differences(other))

    def _differences(self, other: Snapshot) -> Iterator[Difference]:
        for name in sorted(_names(self._expected, other)):
            moody = self._moody.get(name, frozenset())
            expected = _counted(self._expected.tables.get(name, ()), moody)
            found = _counted(other.tables.get(name, ()), moody)
            missing, extra = expected - found, found - expected
            if missing or extra:
                example = next(iter(missing or extra))
                yield Difference(name, missing.total(), extra.total(), _shown(example))


async def take_snapshot(pool: Pool) -> Snapshot:
    """The rows of every plugin's tables, and what the engine keeps for them: jobs, events, cursors."""
    tables = {}
    for row in await pool.fetch(_SQL.snapshot_tables):
        records = await pool.fetch(_SQL.snapshot_rows.format(table=row["name"]))
        tables[row["name"]] = [_flat(msgspec.json.decode(record["row"])) for record in records]
    for record in await pool.fetch(_SQL.snapshot_engine):
        tables.setdefault(record["name"], []).append(_flat(msgspec.json.decode(record["row"])))
    return Snapshot(tables)


def _names(*snapshots: Snapshot) -> set[str]:
    return {name for snapshot in snapshots for name in snapshot.tables}


def _flat(value: Any, path: str = "") -> Row:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict) and value:
        return {key: one for name, item in value.items() for key, one in _flat(item, f"{path}.{name}").items()}
    if isinstance(value, list) and value:
        return {key: one for at, item in enumerate(value) for key, one in _flat(item, f"{path}.{at}").items()}
    return {path.removeprefix("."): value}


def _moody(first: Sequence[Row], second: Sequence[Row]) -> frozenset[str]:
    """The names whose values differ between two undisturbed runs."""
    names = {name for row in (*first, *second) for name in row}
    return frozenset(name for name in names if _values(first, name) != _values(second, name))


def _values(rows: Iterable[Row], name: str) -> Counter[str]:
    return Counter(_text(row[name]) for row in rows if name in row)


def _counted(rows: Iterable[Row], moody: frozenset[str]) -> Counter[Masked]:
    return Counter(frozenset((name, _text(value)) for name, value in row.items() if name not in moody) for row in rows)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _shown(row: Masked) -> str:
    text = ", ".join(f"{name}={value}" for name, value in sorted(row) if value != "null")
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"
