"""Which step a call is: properties over programs, whatever was kept of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.errors import FailJob
from crmd.step_order import NAME_MAX, Place, StepOrder, StoredStep

names = st.lists(st.sampled_from("abcd"), max_size=8)


def reached(order: StepOrder, program: list[str]) -> list[Place]:
    """The places of a program's calls."""
    return [order.reach(name, "step") for name in program]


def kept(places: list[Place]) -> list[StoredStep]:
    """What is kept of places that were done."""
    return [StoredStep(place.name, place.position, place.kind, '"done"', 0.0) for place in places]


@given(program=names, data=st.data())
def test_the_same_program_finds_what_was_kept(program: list[str], data: st.DataObject) -> None:
    """Whichever of its steps were kept, and others not since they failed, a program goes on as it was."""
    first = reached(StepOrder([]), program)
    which = data.draw(st.sets(st.integers(0, 7)))
    stored = kept([place for number, place in enumerate(first) if number in which])
    again = reached(StepOrder(stored), program)
    assert [(place.name, place.position) for place in again] == [(place.name, place.position) for place in first]
    assert [place.stored is not None for place in again] == [number in which for number in range(len(program))]


@given(program=names.filter(bool), other=names.filter(bool), done=st.integers(1, 8))
def test_another_program_is_never_taken_for_the_same(program: list[str], other: list[str], done: int) -> None:
    """What was done is handed out to the very same calls in the very same order, or the change is told."""
    stored = kept(reached(StepOrder([]), program)[:done])
    order = StepOrder(stored)
    try:
        found = reached(order, other)
    except FailJob as error:
        assert "now it is" in str(error)  # noqa: PT017 - both ways are right, each on its own condition
        assert other[: len(stored)] != program[: len(stored)]
        return
    common = min(len(stored), len(other))
    assert other[:common] == program[:common]
    assert all(place.stored is not None for place in found[:common])


@given(st.text(max_size=NAME_MAX * 2))
def test_any_text_is_a_name_or_is_refused(name: str) -> None:
    """A name is taken as it is, or refused in a sentence, however odd or long it is."""
    if name and len(name) <= NAME_MAX and "#" not in name:
        assert StepOrder([]).reach(name, "step").name == name
        return
    with pytest.raises(FailJob, match="is no name for a step"):
        StepOrder([]).reach(name, "step")


def test_another_kind_under_the_same_name_is_told() -> None:
    """A sleep that became a step of the same name is a changed program."""
    stored = [StoredStep("wait", 1, "sleep", None, 0.0)]
    with pytest.raises(FailJob, match=r"step 1 was 'wait' \(sleep\), now it is 'wait'"):
        StepOrder(stored).reach("wait", "step")


def test_a_step_that_moved_into_a_task_group_leaves_its_place() -> None:
    """Steps that a new version runs side by side are found by name, and those behind them go on."""
    order = StepOrder(kept(reached(StepOrder([]), ["a", "b", "c"])))
    beside = [order.reach(name, "step", is_ordered=False) for name in ("b", "a")]
    assert all(place.stored is not None for place in beside)
    assert order.reach("c", "step").stored is not None
