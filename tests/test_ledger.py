"""The decision about an effect, over all that its row and its job type can say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crmd.ledger import Ask, Await, Doubt, HandOver, Know, Rule, Seen, next_step

SEEN = st.builds(
    Seen,
    state=st.sampled_from(["planned", "handed_over", "confirmed", "refused", "unknown"]),
    handovers=st.integers(1, 50),
    handed_over_seconds=st.floats(0, 1e6),
    is_in_flight=st.booleans(),
    receipt=st.just({"id": 1}),
)
RULES = st.builds(
    Rule,
    on_unknown=st.sampled_from(["probe", "resend", "park"]),
    has_probe=st.booleans(),
    quiet_seconds=st.floats(0, 600),
    handovers_max=st.integers(1, 10),
    denied=st.integers(0, 50),
)


@given(SEEN, RULES)
def test_nothing_in_doubt_is_sent_again_unasked(seen: Seen, rule: Rule) -> None:
    """What may have been taken is handed over again only when the receiver denied that very one, or takes it twice."""
    if seen.state not in {"handed_over", "unknown"} or next_step(seen, rule) != HandOver():
        return
    assert not (seen.state == "handed_over" and seen.is_in_flight)
    assert rule.on_unknown == "resend" or (rule.has_probe and rule.denied == seen.handovers)
    assert rule.on_unknown != "park"
    assert seen.handovers < rule.handovers_max
    assert seen.handed_over_seconds >= rule.quiet_seconds


@given(SEEN, RULES)
def test_what_took_place_is_never_sent(seen: Seen, rule: Rule) -> None:
    """A confirmed effect gives its receipt, whatever the job type says; what surely did not happen is handed over."""
    step = next_step(seen, rule)
    assert (step == Know({"id": 1})) == (seen.state == "confirmed")
    if seen.state in {"planned", "refused"}:
        assert step == HandOver()
    if seen.state == "handed_over" and seen.is_in_flight:
        assert isinstance(step, Await)


def test_a_probe_comes_after_the_quiet_time() -> None:
    """What was just handed over may still be on its way: nobody asks for it yet, and each time for longer."""
    rule = Rule(on_unknown="probe", has_probe=True, quiet_seconds=60, handovers_max=9)
    assert next_step(Seen("unknown", 1, 59), rule) == Doubt(1)
    assert next_step(Seen("unknown", 1, 60), rule) == Ask()
    assert next_step(Seen("unknown", 3, 60), rule) == Doubt(180)


def test_in_the_end_a_person_looks() -> None:
    """After as many hand-overs as the job has attempts, or without a way to ask, the job is held."""
    resend = Rule(on_unknown="resend", has_probe=False, quiet_seconds=0, handovers_max=3)
    assert next_step(Seen("unknown", 2), resend) == HandOver()
    assert next_step(Seen("unknown", 3), resend) == Doubt(None)
    assert next_step(
        Seen("unknown", 1), Rule(on_unknown="probe", has_probe=False, quiet_seconds=0, handovers_max=3)
    ) == (Doubt(None))
