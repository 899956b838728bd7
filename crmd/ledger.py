"""What is to be done about an effect, from its row in the ledger. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

if TYPE_CHECKING:
    from crmd.effecting import OnUnknownEffect

EffectState: TypeAlias = Literal["planned", "handed_over", "confirmed", "refused", "unknown"]
# How soon to look again at an effect that another job is handing over.
IN_FLIGHT_SECONDS = 5.0
QUIET_SECONDS_MAX = 3600.0
DIED = "whoever was sending it was gone before its outcome was known"


@dataclass(frozen=True, slots=True)
class Seen:
    """An effect as its locked row shows it.

    Args:
        state: Of the row.
        handovers: How often it was handed over.
        handed_over_seconds: How long ago the last time.
        is_in_flight: Another claim that is alive is sending it at this moment.
        receipt: What the receiver answered.
    """

    state: EffectState
    handovers: int = 0
    handed_over_seconds: float = 0.0
    is_in_flight: bool = False
    receipt: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the job wants it.

    Args:
        on_unknown: As its type declares.
        has_probe: Whether it can ask the receiver.
        quiet_seconds: After the first hand-over; doubled with each further one.
        handovers_max: Afterwards a person has to look.
        denied: The hand-over of which the receiver has just said that it did not take place; 0: none.
    """

    on_unknown: OnUnknownEffect
    has_probe: bool
    quiet_seconds: float
    handovers_max: int
    denied: int = 0


@dataclass(frozen=True, slots=True)
class HandOver:
    """Write that it is handed over, commit, and send."""


@dataclass(frozen=True, slots=True)
class Know:
    """It took place."""

    receipt: Any


@dataclass(frozen=True, slots=True)
class Await:
    """Somebody else is sending it."""

    after_seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the receiver whether it took place."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Nobody knows; look again after so many seconds, or (None) hold the job until a person has found out."""

    after_seconds: float | None


Step: TypeAlias = HandOver | Know | Await | Ask | Doubt


def next_step(seen: Seen, rule: Rule) -> Step:
    """What is to be done."""
    match seen.state:
        case "planned" | "refused":
            return HandOver()
        case "confirmed":
            return Know(seen.receipt)
        case "handed_over" if seen.is_in_flight:
            return Await(IN_FLIGHT_SECONDS)
        case "handed_over" | "unknown":
            return _in_doubt(seen, rule)
        case _:
            assert_never(seen.state)


def _in_doubt(seen: Seen, rule: Rule) -> Step:
    """Never blindly again: the receiver is asked, or knows the key again, or a person has the say."""
    is_parked = rule.on_unknown == "park" or (rule.on_unknown == "probe" and not rule.has_probe)
    if is_parked:
        return Doubt(None)
    quiet_seconds = min(rule.quiet_seconds * 2 ** min(seen.handovers - 1, 20), QUIET_SECONDS_MAX)
    if seen.handed_over_seconds < quiet_seconds:
        return Doubt(quiet_seconds - seen.handed_over_seconds)
    if rule.on_unknown == "probe" and rule.denied != seen.handovers:
        return Ask()
    return HandOver() if seen.handovers < rule.handovers_max else Doubt(None)
