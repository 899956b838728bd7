"""A line of the ledger outside the database: how far a claim of a job came, told by the handler itself."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Literal, TypeAlias
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import crmd

# The handler begins; goes to write; knows that its write is committed; returns.
Stage: TypeAlias = Literal["begin", "try", "written", "end"]


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """One line. `boot_seconds` is the time since boot, which is one for all processes of the machine."""

    stage: Stage
    job_id: UUID
    fence: int
    claim_id: UUID
    pid: int
    boot_seconds: float
    name: str = ""


def note(ctx: crmd.Context, ledger: str, stage: Stage, name: str = "") -> None:
    """Append a line. One write to a file that is open for appending is whole, whatever kills the process."""
    boot_seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
    mark = Mark(stage, ctx.job.id, ctx.job.fence, ctx.job.claim_id, os.getpid(), boot_seconds, name)
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(mark) + b"\n")
    finally:
        os.close(descriptor)


def read_marks(ledger: Path) -> Iterator[Mark]:
    """Every line, in the order in which they were written."""
    if not ledger.exists():
        return
    decode = msgspec.json.Decoder(Mark).decode
    with ledger.open("rb") as lines:
        yield from map(decode, lines)
