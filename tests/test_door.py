from __future__ import annotations

import itertools
import pickle
import time
from typing import NoReturn

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as some

from crmd.store.door import (
    CALM_SECONDS,
    LINE_SECONDS,
    PAUSE_SECONDS,
    SESSION_ENDED,
    SHUT_SECONDS,
    TURNS_MAX,
    WINDOW_SECONDS,
    Door,
    Rank,
)

WAIT_SECONDS = 20.0


RANKS = tuple(Rank)[1:]


def test_nobody_waits_while_all_are_let_in() -> None:
    """Without a refusal any number of connections is opened at once, of whatever rank."""
    door = Door()
    assert all(door.is_turn(100.0, rank) for _ in range(50) for rank in RANKS)


@given(
    some.lists(some.tuples(some.floats(0, 0.4), some.sampled_from(RANKS)), min_size=20, max_size=80),
    some.integers(0, 9),
    some.sets(some.integers(0, 60)),
    some.sets(some.integers(0, 60)),
)
def test_after_a_refusal_so_many_come_in_a_second(
    steps: list[tuple[float, Rank]], before: int, refusals: set[int], successes: set[int]
) -> None:
    """However many ask and whenever, no more begin in any second than may, until it has been calm for a while."""
    door, now = Door(), 1000.0
    for _ in range(before):
        door.is_turn(now, Rank.FIRST)
    door.refused(now)
    begun: list[float] = []
    for place, (step, rank) in enumerate(steps):
        now += step
        if now >= 1000.0 + CALM_SECONDS:
            break
        if door.is_turn(now, rank):
            begun.append(now)
        if place in refusals:
            door.refused(now)
        if place in successes:
            door.let_in()
    assert all(last - first >= WINDOW_SECONDS - 1e-9 for first, last in zip(begun, begun[TURNS_MAX:], strict=False))
    assert not begun or begun[0] >= 1000.0 + PAUSE_SECONDS


def test_one_at_a_time_tries_a_shut_door() -> None:
    """While nobody is let in turns are saved, so that some are left for those who come when it opens."""
    door = Door()
    door.refused(0.0)
    tried = [now / 100 for now in range(400) if door.is_turn(now / 100, Rank.FIRST)]
    assert all(later - earlier >= SHUT_SECONDS for earlier, later in itertools.pairwise(tried))
    assert len(tried) == pytest.approx(4.0 / SHUT_SECONDS, abs=1)
    door.let_in()
    assert [door.is_turn(4.0, Rank.FIRST) for _ in range(4)] == [True, True, False, False]


async def test_the_engine_comes_first() -> None:
    """What a job wants waits while a loop stands in line, and that waits for claims and settles."""
    door, came = Door(), list[Rank]()

    async def come(rank: Rank) -> None:
        await door.through(anyio.lowlevel.checkpoint, rank=rank)
        came.append(rank)

    door.refused(time.monotonic())
    ranks = [*[Rank.JOBS] * 2, *[Rank.MORE] * 3, *[Rank.FIRST] * 3]
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            for rank in ranks:
                tasks.start_soon(come, rank)
    assert came == sorted(ranks)


async def test_a_long_line_turns_away() -> None:
    """Whoever would wait for too long is told, and is let in later; a job waits on, and the heartbeat never does."""
    door = Door()
    asked = 0

    async def connect() -> None:
        nonlocal asked
        asked += 1

    async def keep_shut() -> None:
        while True:
            door.refused(time.monotonic())
            await anyio.sleep(PAUSE_SECONDS / 5)

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep_shut)
            await anyio.sleep(0.01)
            with pytest.raises(ConnectionRefusedError):
                await door.through(connect, rank=Rank.FIRST)
            with anyio.move_on_after(2 * LINE_SECONDS) as patience:
                await door.through(connect, rank=Rank.JOBS)
            assert (patience.cancelled_caught, asked) == (True, 0)
            await door.through(connect, rank=Rank.HEARTBEAT)
            tasks.cancel_scope.cancel()
        await door.through(connect, rank=Rank.JOBS)
    assert asked == 2


async def test_a_failed_connection_is_a_refusal() -> None:
    """Whatever a server answers that is no connection makes the next ones wait; a process of a job begins anew."""

    async def refuse() -> NoReturn:
        raise ConnectionResetError

    door = Door()
    with pytest.raises(ConnectionResetError):
        await door.through(refuse, rank=Rank.FIRST)
    assert not door.is_turn(time.monotonic(), Rank.FIRST)
    anew = pickle.loads(pickle.dumps(door))  # noqa: S301 - our own
    assert all(anew.is_turn(0.0, Rank.FIRST) for _ in range(9))


@pytest.mark.parametrize("error", SESSION_ENDED)
async def test_a_session_that_is_ended_is_no_refusal(error: type[Exception]) -> None:
    """Whose session somebody ends while it begins may begin another at once: the server is there for all."""

    async def end() -> NoReturn:
        raise error("ended")

    door = Door()
    with pytest.raises(error):
        await door.through(end, rank=Rank.FIRST)
    assert all(door.is_turn(time.monotonic(), Rank.FIRST) for _ in range(9))


async def test_who_rests_is_called_when_the_server_is_back() -> None:
    """The first who is let in again, from whichever thread, ends the rest of all; nobody else does."""
    door = Door()
    began = time.monotonic()
    await door.rest(0.05)
    assert time.monotonic() - began >= 0.05
    called: list[int] = []

    async def rest(number: int) -> None:
        await door.rest(600.0)
        called.append(number)

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(rest, number)
            await anyio.wait_all_tasks_blocked()
            door.let_in()  # nobody had been refused: they rest for reasons of their own
            await anyio.sleep(0.05)
            assert called == []
            door.refused(time.monotonic())
            await anyio.to_thread.run_sync(door.let_in)
    assert sorted(called) == [0, 1, 2]
    assert door._resting == set()


async def test_a_line_is_longer_once_the_server_is_back() -> None:
    """All loops of the engine come at the same time then, and each gets its turn instead of another rest."""
    door = Door()

    async def connect() -> float:
        return time.monotonic()

    door.refused(time.monotonic())
    begun: list[float] = []

    async def come() -> None:
        begun.append(await door.through(connect, rank=Rank.MORE))

    with anyio.fail_after(WAIT_SECONDS):
        await come()
        async with anyio.create_task_group() as tasks:
            for _ in range(2 * TURNS_MAX):
                tasks.start_soon(come)
    assert len(begun) == 2 * TURNS_MAX + 1
