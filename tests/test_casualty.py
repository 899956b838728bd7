from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from crmd.engine import wire
from crmd.engine.casualty import Crashed, Ending, HostLost, OverLimit, casualty
from crmd.engine.run import Progress
from crmd.isolation import Isolation
from crmd.outcome import DONE, Ended, Fault, Requeued

if TYPE_CHECKING:
    from crmd.engine.run import Run

BOUNDS = Isolation(memory_mib=256, cpu_seconds=2)
WORDS = b'Fatal Python error: Segmentation fault\n\nCurrent thread:\n  File "/x/parse.py", line 7 in parse\n  File "/y'


@pytest.mark.parametrize(
    ("ending", "kind", "sentence"),
    [
        (Ending(signal.SIGSEGV), Crashed, "killed by SIGSEGV in /x/parse.py:7 parse"),
        (Ending(signal.SIGKILL), Crashed, "killed by SIGKILL, as the kernel does when memory runs out"),
        (Ending(signal.SIGXCPU, cpu_seconds=2), OverLimit, "used more than 2 s of processor time"),
        (Ending(signal.SIGKILL, cpu_seconds=4), OverLimit, "used more than 2 s of processor time"),
        (Ending(7 << 8), Crashed, "its process ended with exit code 7 and no outcome"),
        (Ending(0), Crashed, "its process ended with exit code 0 and no outcome"),
        (Ending(63), Crashed, "killed by signal 63 in /x/parse.py:7 parse"),
        (Ending(None), HostLost, "its process ended together with the one that had started it"),
    ],
)
def test_each_end_has_its_sentence(ending: Ending, kind: type, sentence: str) -> None:
    """A signal, a limit, an exit and a lost host are told apart, and the place where it happened is named."""
    error = casualty(ending, BOUNDS, WORDS)
    assert (type(error), str(error)) == (kind, sentence)


@given(some.binary(max_size=400))
def test_last_words_may_be_anything(words: bytes) -> None:
    """Whatever a dying process wrote, there is a sentence that can be stored."""
    assert "\x00" not in str(casualty(Ending(signal.SIGSEGV), BOUNDS, words))
    hostile = b'File "' * 50_000 + words
    assert str(casualty(Ending(signal.SIGSEGV), BOUNDS, hostile)).startswith("killed by SIGSEGV")


RUN = cast("Run", SimpleNamespace(row={"attempt": 2}, has_children=True))


@pytest.mark.parametrize(
    "outcome",
    [
        DONE,
        Ended("completed", b'{"a":1}'),
        Ended("failed", error=Fault("ValueError", "no")),
        Requeued(2.5, is_attempt_given_back=False, error=Fault("ValueError", "no")),
        Requeued(0, is_attempt_given_back=True, held="suspect"),
    ],
)
def test_an_outcome_crosses_unchanged(outcome: Ended | Requeued) -> None:
    """What was decided in a process is what its daemon settles; the record of its error is made where it happened."""
    message = wire.decoded(wire.encoded(wire.finished(outcome, RUN))[wire.HEADER.size :])
    assert isinstance(message, wire.Finished)
    back = wire.outcome_of(message)
    if outcome.error is None:
        assert back == outcome
        assert (back is DONE) == (outcome is DONE)
    else:
        assert isinstance(back, Ended | Requeued)
        assert back.error is not None
        assert (back.error.name, back.error.message) == ("ValueError", "no")
        assert msgspec.json.decode(back.error.record or b"")["attempt"] == 2


@given(some.binary(max_size=300))
def test_nonsense_is_an_error_and_no_more(body: bytes) -> None:
    """Bytes that are no message raise what the daemon expects of a broken process."""
    try:
        message = wire.decoded(body)
    except msgspec.MsgspecError:
        return
    assert isinstance(message, wire.Begun | wire.Moved | wire.Logged | wire.Finished)


def test_progress_crosses_in_pieces() -> None:
    """Items booked between two messages arrive once each; counts are those of the sender."""
    here, there = Progress(), None
    for number in range(3):
        here.book(f"item {number}", "succeeded", None)
        here.done = number + 1
        there = wire.merged(there, wire.taken(here))
    assert there is not None
    assert [item[0] for item in there.items] == ["item 0", "item 1", "item 2"]
    assert (there.done, there.counts["succeeded"], there.is_dirty, here.is_dirty) == (3, 3, True, False)
