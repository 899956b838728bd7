"""The one rule behind fair turns, alone: whoever was served least is next."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from crmd.fair_line import DEBTS_MAX, FairLine

NAMES = ("a", "b", "c", "d", "e")
WEIGHTS = st.dictionaries(st.sampled_from(NAMES), st.floats(0.1, 10), min_size=2)


def serve(line: FairLine, weights: dict[str, float], cost: int = 1) -> str:
    """Give whoever is next so much."""
    name = line.first()
    assert name is not None
    line.place(name, line.passed(name) + cost / weights.get(name, 1.0))
    return name


def lined_up(*names: str) -> FairLine:
    """A line of new members."""
    line = FairLine()
    for name in names:
        line.join(name)
    return line


@given(WEIGHTS, st.integers(1, 400))
def test_members_are_served_by_weight(weights: dict[str, float], turns: int) -> None:
    """At every moment what any two have had, divided by their weights, differs by less than one turn of the lighter."""
    line = lined_up(*weights)
    served: Counter[str] = Counter()
    for _ in range(turns):
        served[serve(line, weights)] += 1
        shares = [served[name] / weight for name, weight in weights.items()]
        assert max(shares) - min(shares) <= max(1 / weight for weight in weights.values()) + 1e-6


@given(st.integers(0, 300))
def test_who_joins_takes_its_turn_among_the_others(before: int) -> None:
    """Who comes after long is next at once, and then neither ahead nor behind."""
    line = lined_up("a", "b")
    for _ in range(before):
        serve(line, {})
    line.join("late")
    after = Counter(serve(line, {}) for _ in range(30))
    assert max(after.values()) - min(after.values()) <= 1


def test_nobody_saves_up_turns() -> None:
    """Who was away while others worked does not catch up: it goes on beside them."""
    line = lined_up("away", "busy")
    line.leave("away")
    for _ in range(1000):
        serve(line, {})
    line.join("away")
    assert Counter(serve(line, {}) for _ in range(20)) == {"away": 10, "busy": 10}


def test_leaving_and_coming_back_gains_nothing() -> None:
    """Who leaves after each turn and joins again is served no more often than who stays."""
    line = lined_up("stays", "leaps")
    served: Counter[str] = Counter()
    for _ in range(100):
        name = serve(line, {}, cost=5)
        served[name] += 1
        if name == "leaps":
            line.leave("leaps")
            line.join("leaps")
    assert served == {"stays": 50, "leaps": 50}


def test_the_memory_of_those_who_left_is_bounded() -> None:
    """Once the others have caught up with them, those who left are forgotten."""
    line = lined_up("stays")
    for number in range(3 * DEBTS_MAX):
        line.join(f"{number}")
        line.place(f"{number}", line.now() + 0.5)
        line.leave(f"{number}")
        serve(line, {})
    assert len(line._debts) <= DEBTS_MAX
    assert len(line._heap) < 2000
