from __future__ import annotations

import os
import socket
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.systemd import (
    STATUS_MAX_CHARS,
    Notifier,
    extend_timeout_message,
    notifier_from,
    ready_message,
    reloading_message,
    status_message,
    stopping_message,
    watchdog_message,
    watchdog_seconds,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_messages_reach_both_kinds_of_socket(tmp_path: Path, kind: str) -> None:
    """The address is a path or an abstract name; each message arrives as one datagram."""
    name = str(tmp_path / "notify") if kind == "path" else f"@crmd-test-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name[1:] if kind == "abstract" else name)
        notifier = notifier_from({"NOTIFY_SOCKET": name})
        assert notifier.send(ready_message("3 jobs run"))
        assert notifier.send(watchdog_message())
        assert server.recv(1000) == b"READY=1\nSTATUS=3 jobs run"
        assert server.recv(1000) == b"WATCHDOG=1"


def test_without_systemd_nothing_is_sent() -> None:
    """Outside of a unit the notifier does nothing, quietly."""
    assert notifier_from({}).send(ready_message()) is False
    assert Notifier("vsock:2:1234").send(ready_message()) is False


def test_a_gone_systemd_never_harms_the_daemon(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A socket that vanished is a warning in the log, not an exception."""
    assert Notifier(str(tmp_path / "gone")).send(watchdog_message()) is False
    assert "systemd was not reached" in caplog.text


def test_messages_are_as_the_protocol_says() -> None:
    """Names and units are those of sd_notify(3)."""
    assert reloading_message(12.5) == "RELOADING=1\nMONOTONIC_USEC=12500000"
    assert stopping_message() == "STOPPING=1"
    assert stopping_message("2 jobs left") == "STOPPING=1\nSTATUS=2 jobs left"
    assert extend_timeout_message(30) == "EXTEND_TIMEOUT_USEC=30000000"


@given(st.text(max_size=2000))
def test_a_status_is_one_line(text: str) -> None:
    """Whatever a status holds, it cannot add a field such as READY=1 to its message."""
    message = status_message(text)
    assert len(message.splitlines()) <= 1
    assert message == "" or message.startswith("STATUS=")
    assert len(message) <= STATUS_MAX_CHARS + len("STATUS=")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
    ],
)
def test_the_watchdog_is_fed_three_times_a_period(environ: dict[str, str], seconds: float | None) -> None:
    """The interval comes from WATCHDOG_USEC, and only when this process is meant."""
    assert watchdog_seconds(environ, os.getpid()) == seconds
