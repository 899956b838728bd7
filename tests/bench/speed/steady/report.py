"""The second table, and what is kept of it as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speed.steady.judging import Account, Measured, Must

HEADINGS = ("phase", "offered/s", "done", "p50", "p95", "p99 ms", "backlog", "dead rows", "log/job", "cpu us/job")


def columns(one: Measured) -> tuple[str, ...]:
    """What a phase says; processor time is the daemons' and the server's."""
    passed, done = one.passed, max(one.done, 1)
    server = "-" if passed.server_seconds is None else f"{passed.server_seconds / done * 1e6:,.0f}"
    return (
        one.phase.name,
        f"{one.phase.rate:,.0f}",
        f"{one.share_done:.1%}",
        *(f"{wait:,.1f}" for wait in one.waits_ms),
        f"{passed.backlog:,}",
        f"{passed.dead_rows:,}",
        f"{passed.wal_bytes / done:,.0f}",
        f"{passed.daemon_seconds / done * 1e6:,.0f} + {server}",
    )


def report(measured: Sequence[Measured], musts: Sequence[Must]) -> str:
    """As text in columns, with what must hold below."""
    every = [HEADINGS, *map(columns, measured)]
    widths = [max(len(one[column]) for one in every) for column in range(len(HEADINGS))]
    rows = [
        "  ".join(
            f"{word:{width}}" if not place else f"{word:>{width}}"
            for place, (word, width) in enumerate(zip(one, widths, strict=True))
        )
        for one in every
    ]
    return "\n".join([*rows, "", checks(musts)])


def checks(musts: Sequence[Must]) -> str:
    """What must hold, a line each."""
    return "".join(f"{'holds ' if must.holds else 'BROKEN'}  {must.words}\n" for must in musts)


def kept(measured: Sequence[Measured], musts: Sequence[Must], account: Account) -> dict[str, Any]:
    """Everything, for the JSON."""
    return {
        "phases": [
            {
                "name": one.phase.name,
                "offered": one.offered,
                "done": one.done,
                "waits_ms": dict(zip(("p50", "p95", "p99"), one.waits_ms, strict=True)),
                "backlog": one.passed.backlog,
                "dead_rows": one.passed.dead_rows,
                "wal_bytes": one.passed.wal_bytes,
                "daemon_seconds": one.passed.daemon_seconds,
                "server_seconds": one.passed.server_seconds,
            }
            for one in measured
        ],
        "account": asdict(account),
        "musts": [asdict(must) for must in musts],
    }
