"""What a job's jobs and events keep of where they come from: the job itself, and the beginning of its chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.engine.run import Run


def cause_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cause that a job is.

    Args:
        row: The claimed row; its `meta` is JSON, as it comes from the control pool.
    """
    meta = {} if row["meta"] is None else msgspec.json.decode(row["meta"])
    return {"causationId": str(row["id"]), "correlationId": meta.get("correlationId") or str(row["id"])}


def meta_of(run: Run) -> dict[str, Any]:
    """The `meta` of a job that `run` starts: its cause, and the trace that it goes on with."""
    row = run.row
    meta: dict[str, Any] = {} if row["meta"] is None else msgspec.json.decode(row["meta"])
    trace = run.trace or meta.get("traceparent")
    return {**cause_of(row), **({"traceparent": trace} if trace else {})}
