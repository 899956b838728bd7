"""The claimers of a daemon, one for each of its queues, and what reaches all of them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from crmd.engine.claimer import Claimer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from crmd.engine.executor import Executor
    from crmd.engine.options import EngineOptions
    from crmd.engine.settler import Settled
    from crmd.store.pools import Pool
    from crmd.tuning import Tuning

# Of a queue, while the connection that hears wake-ups is lost.
DEAF_POLL_SECONDS = 0.25


class Claimers:
    """All claimers.

    Args:
        pool: The control pool.
        executor: Runs what is claimed.
        options: As they are now.
        is_deaf: Whether wake-ups cannot be heard for the time being, so that polls have to be frequent.
    """

    def __init__(
        self, pool: Pool, executor: Executor, options: Callable[[], EngineOptions], is_deaf: Callable[[], bool]
    ) -> None:
        self._pool = pool
        self._executor = executor
        self._options = options
        self._is_deaf = is_deaf
        self._tuning: Tuning | None = None
        self._claimers: dict[str, Claimer] = {}
        self._daemon_id: UUID | None = None

    def add(self, name: str) -> Claimer:
        """Make the claimer of a queue; it claims at once when the others do."""
        claimer = Claimer(
            self._pool,
            self._executor,
            self._executor.queues[name],
            poll_max_seconds=self._poll_max_seconds,
            local_limits=lambda: self._options().local_limits,
            tuning=lambda: self._tuning,
        )
        claimer.begin(self._daemon_id)
        self._claimers[name] = claimer
        return claimer

    def begin(self, daemon_id: UUID | None) -> None:
        """Claim for this incarnation from now on; None: for none, until the next begins."""
        self._daemon_id = daemon_id
        for claimer in self._claimers.values():
            claimer.begin(daemon_id)

    @property
    def have_begun(self) -> bool:
        """Whether they claim: not between two incarnations, nor while the daemon drains."""
        return self._daemon_id is not None

    def wake(self, word: str = "*") -> None:
        """Look for work at once. `word` is a queue, or `*` for all."""
        for name, claimer in self._claimers.items():
            if word in {"*", name}:
                claimer.wake()

    def freed(self, settled: Iterable[Settled]) -> None:
        """Jobs have ended: what those with keys held is free for the next."""
        lanes: defaultdict[str, set[str]] = defaultdict(set)
        for run, _ in settled:
            if (lane := run.claimed["lane"]) is not None:
                slot = run.slot  # the row tells the queue too, but would have to be taken apart
                lanes[slot.name if slot is not None and slot.name in self._claimers else run.queue].add(lane)
        for queue in lanes.keys() & self._claimers.keys():
            self._claimers[queue].freed(lanes[queue])

    def retune(self, tuning: Tuning) -> None:
        """Work by what operators have changed live."""
        if tuning == self._tuning:
            return
        self._tuning = tuning
        self.resize()
        for claimer in self._claimers.values():
            claimer.retune()

    def resize(self) -> None:
        """Give each queue the slots that an operator has set, else those of the configuration."""
        tuned = {} if self._tuning is None else self._tuning.slots
        for name, slots in self._options().slots.items():
            if name in self._executor.queues:
                self._executor.resize(name, tuned.get(name, slots))

    def _poll_max_seconds(self) -> float:
        longest = self._options().poll_max_seconds
        return min(longest, DEAF_POLL_SECONDS) if self._is_deaf() else longest
