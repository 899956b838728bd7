"""The lease protocol, walked through every interleaving of two workers, pauses, crashes, lost answers and a failover.

The machine is tests/engine/protocol.py. Each guard in turn is left out, to see that its absence is found.
"""

from __future__ import annotations

from typing import Any, Literal

import pytest
from protocol import Guards, State, breach, breach_of_step, steps


def walk(guards: Guards) -> tuple[int, str]:
    """Breadth-first through everything that can happen; answers how many states there are, and the first breach."""
    seen = {State()}
    frontier = [State()]
    while frontier:
        following = []
        for state in frontier:
            for after in steps(state, guards):
                if after in seen:
                    continue
                if wrong := breach(after) or breach_of_step(state, after):
                    return len(seen), wrong
                seen.add(after)
                following.append(after)
        frontier = following
    return len(seen), ""


def test_no_interleaving_breaks_the_protocol() -> None:
    """With all guards, no order of claims, pauses, crashes and reaps writes anything by a stale claim."""
    count, wrong = walk(Guards())
    assert wrong == ""
    assert count > 10_000


def test_no_failover_breaks_the_protocol() -> None:
    """A promoted standby that lacks claims or completions lets no stale claim write, whatever was lost."""
    count, wrong = walk(Guards(failovers_max=1, effects_max=1))
    assert wrong == ""
    assert count > 100_000


@pytest.mark.parametrize(
    ("guard", "wrong"),
    [
        ("settle_names_the_claim", "a stale claim ended the job"),
        ("effect_holds_the_lease", "an effect of an older claim after a newer one's"),
        ("beat_heeds_death", "a daemon that was declared dead lives again"),
        ("reap_names_the_claim", "a live daemon's lease was reaped"),
        ("claim_asks_if_alive", "a dead daemon claimed"),
        ("lost_answer_is_looked_up", "a living daemon's lease that nobody runs"),
    ],
)
def test_each_guard_is_needed(guard: str, wrong: str) -> None:
    """Leave out one guard, and some interleaving shows why it is there."""
    without: dict[str, Any] = {guard: False}
    assert walk(Guards(**without))[1] == wrong


@pytest.mark.parametrize("token", ["number", "process"])
def test_a_failover_doubles_tokens_that_only_count(token: Literal["number", "process"]) -> None:
    """A number, or a number with the process, is given twice once a claim is lost: hence the random claim id."""
    assert walk(Guards(token=token, failovers_max=1))[1] == "two live claims share a token"
    assert walk(Guards(token=token))[1] == ""
