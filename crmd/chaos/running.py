"""The parts of a run that is under way, and what they tell of it at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from crmd.chaos.gathering import in_server_time, ledger_marks, read_database, server_ahead_seconds
from crmd.chaos.history import History
from crmd.chaos.options import CONNECTIONS_ALLOWED, LEASE_SECONDS
from crmd.chaos.report import Facts
from crmd.chaos.workload.jobs import CHILDREN, LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crmd.chaos.client import Client
    from crmd.chaos.fleet import Fleet
    from crmd.chaos.nemesis import Nemesis
    from crmd.chaos.options import Options
    from crmd.chaos.receiver import Receiver
    from crmd.chaos.scratch import Scratch
    from crmd.chaos.watch import Watch


class Progress(Protocol):
    """Is told how far a run is."""

    def __call__(self, phase: str, watch: Watch, faults: int) -> None:
        """Show it."""


@dataclass(slots=True)
class Run:
    """The parts of a run that is under way."""

    options: Options
    folder: Path
    scratch: Scratch
    fleet: Fleet
    clients: Sequence[Client]
    receiver: Receiver
    watch: Watch
    nemesis: Nemesis
    on_progress: Progress
    phase: str = "starting"
    settle_seconds: float = 0.0
    began_at: float = 0.0
    schedules: list[str] = field(default_factory=list)

    def show(self) -> None:
        """Tell how far it is."""
        self.on_progress(self.phase, self.watch, len(self.nemesis.struck))


async def history_of(run: Run) -> History:
    """Everything that is known of it."""
    parts = await read_database(run.scratch.dsn)
    ahead_seconds = await server_ahead_seconds(run.scratch.dsn)
    completed, dead = frozenset({"completed"}), frozenset({"dead"})
    return History(
        **parts,
        began_at=run.began_at,
        lease_seconds=LEASE_SECONDS,
        daemons=run.options.daemons,
        acks=[ack for client in run.clients for ack in client.acks],
        marks=ledger_marks(run.folder / "ledger"),
        taken=run.receiver.taken,
        struck=in_server_time(run.nemesis.struck, ahead_seconds),
        deaths=run.fleet.deaths,
        overlaps=run.watch.overlaps,
        schedules=run.schedules,
        cancels=frozenset().union(*(client.cancels for client in run.clients)),
        bounds={"type:chaos-limited:account": LIMIT},
        children_of={"chaos-parent": CHILDREN},
        writes_of={
            **dict.fromkeys(("chaos-work", "chaos-limited", "chaos-single", "chaos-tick"), frozenset({"work"})),
            **dict.fromkeys(("chaos-parent", "chaos-send"), frozenset({"work"})),
            "chaos-steps": frozenset({"first", "second"}),
        },
        ends_of={"chaos-work": completed, "chaos-doomed": dead, "chaos-poison": dead},
    )


def facts_of(run: Run) -> Facts:
    """What is known beside the history."""
    return Facts(
        seed=run.options.seed,
        seconds=run.options.seconds,
        settle_seconds=run.settle_seconds,
        connections_most=max(place.link.connections_most for place in run.fleet.places),
        connections_allowed=CONNECTIONS_ALLOWED,
        doubts=sum(client.doubts for client in run.clients),
        skipped=run.nemesis.skipped,
        plan=[str(fault) for fault in run.options.planned()],
    )
