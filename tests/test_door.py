from __future__ import annotations

import pickle
import time
from typing import NoReturn

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as some

from crmd.store.door import CALM_SECONDS, LINE_SECONDS, PAUSE_SECONDS, TURNS_MAX, WINDOW_SECONDS, Door


def test_nobody_waits_while_all_are_let_in() -> None:
    """Without a refusal any number of connections is opened at once."""
    door = Door()
    assert [door.turn(100.0) for _ in range(50)] == [0.0] * 50


@given(
    some.lists(some.tuples(some.floats(0, 0.4), some.booleans()), min_size=20, max_size=80),
    some.integers(0, 9),
    some.integers(0, 9),
)
def test_after_a_refusal_so_many_come_in_a_second(steps: list[tuple[float, bool]], before: int, refusals: int) -> None:
    """However many ask and whenever, no more begin in any second than may, until it has been calm for a while."""
    door, now = Door(), 1000.0
    for _ in range(before):
        door.turn(now)
    door.refused(now)
    begun: list[float] = []
    for place, (step, is_patient) in enumerate(steps):
        now += step
        if now >= 1000.0 + CALM_SECONDS:
            break
        wait = door.turn(now, 0.0 if is_patient else LINE_SECONDS)
        if wait is not None:
            assert wait <= (0.0 if is_patient else LINE_SECONDS)
            begun.append(now + wait)
        if place < refusals:
            door.refused(now)
    assert begun == sorted(begun)
    assert all(last - first >= WINDOW_SECONDS - 1e-9 for first, last in zip(begun, begun[TURNS_MAX:], strict=False))
    assert not begun or begun[0] >= 1000.0 + PAUSE_SECONDS


def test_the_engine_comes_first() -> None:
    """What a job wants waits while anybody stands in line, and gets what is left over."""
    door = Door()
    door.refused(0.0)
    assert [door.turn(0.5) for _ in range(TURNS_MAX + 1)] == [0.0] * TURNS_MAX + [WINDOW_SECONDS]
    assert door.turn(1.4, 0.0) is None
    assert door.turn(1.5, 0.0) == 0.0


def test_a_long_line_turns_away() -> None:
    """Whoever would wait for too long is told at once, and finds a turn later."""
    door = Door()
    door.refused(0.0)
    answers = [door.turn(0.1) for _ in range(20)]
    assert answers[-1] is None
    assert door.turn(1.0) is not None
    assert [door.turn(CALM_SECONDS) for _ in range(20)] == [0.0] * 20


async def test_a_failed_connection_is_a_refusal() -> None:
    """Whatever a server answers that is no connection makes the next ones wait; a process of a job begins anew."""

    async def refuse() -> NoReturn:
        raise ConnectionResetError

    door = Door()
    with pytest.raises(ConnectionResetError):
        await door.through(refuse)
    assert door.turn(time.monotonic()) != 0.0
    assert [pickle.loads(pickle.dumps(door)).turn(0.0) for _ in range(9)] == [0.0] * 9  # noqa: S301 - our own


async def test_a_session_that_is_ended_is_no_refusal() -> None:
    """Whose session somebody ends while it begins may begin another at once: the server is there for all."""

    async def end() -> NoReturn:
        raise asyncpg.AdminShutdownError

    door = Door()
    with pytest.raises(asyncpg.AdminShutdownError):
        await door.through(end)
    assert [door.turn(time.monotonic()) for _ in range(9)] == [0.0] * 9
