"""Counts what became of attempts, in the batches in which they are settled."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from crmd.outcome import DONE, Ended, Forgotten
from crmd.store.claimed_row import due_of
from crmd.tally import OTHER, SERIES_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd.engine.run import Run
    from crmd.engine.settler import Settled
    from crmd.outcome import Outcome
    from crmd.tally import Tally

# To take a row apart costs more than to count it, so of a large batch this many jobs stand for the others' waits.
WAITS_MAX = 16


def count_settled(tally: Tally, batch: Sequence[Settled], *, wall: float, boot: float) -> None:
    """Count a batch.

    Args:
        tally: Of the daemon.
        batch: What was written.
        wall: Now, in seconds since 1970.
        boot: Now, in boot time.
    """
    alike: defaultdict[tuple[str, str], list[Run]] = defaultdict(list)
    for run, outcome in batch:
        alike[run.job_type.name, "completed" if outcome is DONE else word_of(outcome)].append(run)
    for (job_type, word), runs in alike.items():
        begun = [run for run in runs if run.started]
        name = _series(tally, job_type)
        if begun:
            tally.attempt_seconds[name].add_all([(run.ended or boot) - run.started for run in begun])
        tally.attempts[name, word] += len(runs)
        _count_waits(tally, [run for run in begun if run.token.fence == 1], wall - boot)


def _series(tally: Tally, name: str) -> str:
    """The name under which a job type is counted."""
    return name if name in tally.attempt_seconds or len(tally.attempt_seconds) < SERIES_MAX else OTHER


def _count_waits(tally: Tally, runs: Sequence[Run], boot_at: float) -> None:
    """Of first claims only: what is tried again waits by its backoff, and what was parked for its gate.

    Args:
        tally: Of the daemon.
        runs: Of jobs that have started.
        boot_at: When boot time began, in seconds since 1970.
    """
    step = -(-len(runs) // WAITS_MAX) or 1
    for place in range(0, len(runs), step):
        run = runs[place]
        queue, due_at = due_of(run.claimed)
        if queue not in tally.wait_seconds and len(tally.wait_seconds) >= SERIES_MAX:
            queue = OTHER
        tally.wait_seconds[queue].add(max(boot_at + run.started - due_at, 0.0), min(step, len(runs) - place))


def word_of(outcome: Outcome) -> str:
    """The outcome in one word: that of a status, or what else became of the attempt."""
    if outcome is DONE:
        return "completed"
    if isinstance(outcome, Ended):
        return "dead" if outcome.status == "poison" else outcome.status
    if isinstance(outcome, Forgotten):
        return "lease_lost"
    return "given_back" if outcome.is_attempt_given_back else "retried"
