"""The plan: which fault comes when, to whom and for how long. Pure: the same seed gives the same plan."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Kind: TypeAlias = Literal[
    "poison",  # a job that ends its process
    "kill",  # SIGKILL
    "suspend",  # SIGSTOP, then SIGCONT
    "stop",  # SIGTERM, then a new start
    "terminate",  # half of all sessions are ended by the server
    "cut",  # all links are reset
    "cut-after",  # all links are reset after so many bytes more
    "blackhole",  # nothing gets through, and nothing says so; what was on its way arrives late
    "slow",  # everything arrives late
    "clock",  # the database's clock jumps, and jumps back
    "freeze",  # SIGSTOP of one backend
    "database-stop",  # the server ends in order, and is started again
    "database-crash",  # the server ends at once, and is started again
]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What needs a server of our own.
SERVER_KINDS: frozenset[Kind] = frozenset({"freeze", "database-stop", "database-crash"})
# What concerns all daemons at once: nothing else is done meanwhile, so that its recovery can be measured.
WHOLE_KINDS: frozenset[Kind] = frozenset({"clock", "freeze", "database-stop", "database-crash"})
# What concerns a link: of a daemon, or, as the one behind the last, of whoever enqueues.
LINK_KINDS: frozenset[Kind] = frozenset({"cut", "cut-after", "blackhole", "slow"})
# What has no single daemon as its target.
ALL_KINDS: frozenset[Kind] = WHOLE_KINDS | {"poison", "terminate"}
_WEIGHTS: dict[Kind, int] = {
    "poison": 1,
    "kill": 4,
    "suspend": 4,
    "stop": 4,
    "terminate": 16,
    "cut": 24,
    "cut-after": 26,
    "blackhole": 6,
    "slow": 10,
    "clock": 2,
    "freeze": 3,
    "database-stop": 1,
    "database-crash": 1,
}
PERIOD_SECONDS = 1.0
REST_SECONDS = 1.5
LONG_STOP_SECONDS = 30.0
# From this length on a plan holds one long stop of the database, in its middle.
LONG_PLAN_SECONDS = 300.0
# The last seconds of a plan hold no fault, so that the last one ends inside it.
QUIET_END_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to come.

    Args:
        at_seconds: After the start.
        kind: What is done.
        target: To which daemon, from 0; whole kinds concern all.
        seconds: How long it lasts; 0: a moment.
        amount: Bytes of `cut-after`, milliseconds of `slow`, milliseconds of `clock`, a chance for the others.
    """

    at_seconds: float
    kind: Kind
    target: int
    seconds: float
    amount: int

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        target = "all" if self.kind in ALL_KINDS else f"daemon {self.target}"
        return f"{self.at_seconds:7.2f} s  {self.kind} {target}{lasting} ({self.amount})"


def make_plan(seed: int, seconds: float, daemons: int, *, lease_seconds: float, is_ours: bool) -> tuple[Fault, ...]:
    """The faults of a run, about one a second: each kind once, in an order of the seed's, then by their weights.

    Args:
        seed: Whatever; the plan is a function of it.
        seconds: How long the storm lasts.
        daemons: How many there are to hit.
        lease_seconds: Suspensions and jumps of the clock are measured by it.
        is_ours: Whether the server may be stopped and its processes frozen.
    """
    chance = random.Random(seed)  # noqa: S311 - a plan, not a secret
    allowed = [kind for kind in KINDS if is_ours or kind not in SERVER_KINDS]
    kinds = _kinds(chance, allowed)
    long_stop_at = seconds / 2 if is_ours and seconds >= LONG_PLAN_SECONDS else None
    faults: list[Fault] = []
    at = 1.0
    while at < seconds - QUIET_END_SECONDS:
        if long_stop_at is not None and at >= long_stop_at:
            fault = Fault(at, "database-stop", 0, LONG_STOP_SECONDS, 0)
            long_stop_at = None
        else:
            fault = _fault(chance, next(kinds), at, daemons, lease_seconds)
        end = min(fault.at_seconds + fault.seconds, seconds - 1.0)
        fault = Fault(fault.at_seconds, fault.kind, fault.target, max(end - fault.at_seconds, 0.0), fault.amount)
        faults.append(fault)
        is_alone = fault.kind in WHOLE_KINDS
        at = end + REST_SECONDS if is_alone else at + PERIOD_SECONDS * chance.uniform(0.5, 1.0)
    return tuple(faults)


def longest_silence_seconds(plan: Sequence[Fault]) -> float:
    """How long something that is under way may be held up at the most before it goes on."""
    return max((fault.seconds for fault in plan if fault.kind in {"suspend", "blackhole"}), default=0.0)


def _kinds(chance: random.Random, allowed: list[Kind]) -> Iterator[Kind]:
    """Poison comes first, since it takes longest to come to its end."""
    first = [kind for kind in allowed if kind != "poison"]
    chance.shuffle(first)
    yield "poison"
    yield from first
    while True:
        yield chance.choices(allowed, [_WEIGHTS[kind] for kind in allowed])[0]


def _fault(chance: random.Random, kind: Kind, at: float, daemons: int, lease_seconds: float) -> Fault:
    target = chance.randrange(daemons + (kind in LINK_KINDS))
    low = at < LONG_STOP_SECONDS
    lease = lease_seconds
    seconds, amount = 0.0, chance.randrange(1000)
    if kind == "suspend":  # the first ones are short, so that a short run shows what becomes of them
        seconds = chance.uniform(0.5 * lease, (1.7 if low else 3.0) * lease)
    elif kind in {"blackhole", "slow"}:
        seconds = chance.uniform(0.3 * lease, 1.5 * lease)
        amount = chance.randrange(5, 80)
    elif kind == "freeze":
        seconds = chance.uniform(0.2, 0.5 * lease)
    elif kind in {"database-stop", "database-crash"}:
        seconds = chance.uniform(0.5, 2.5)
    elif kind == "cut-after":
        amount = chance.randrange(1, 4096)
    elif kind == "clock":
        seconds = chance.uniform(0.5, 2.0)
        amount = int(1000 * chance.choice((-1.0, 1.0)) * chance.uniform(0.2, 2.0) * lease)
    return Fault(at, kind, target, seconds, amount)
