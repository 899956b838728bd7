"""What the daemon tells systemd: ready, reloading, stopping, alive.

Messages are built purely and sent thinly, one datagram each. Without systemd nothing is sent, and a send that fails
never harms the daemon.
"""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("crmd.systemd")

PINGS_PER_PERIOD = 3
"""WATCHDOG=1 goes out three times a period, so that one lost turn does not look like a hang."""

STATUS_MAX_CHARS = 400
_SEND_SECONDS = 1.0
_MICROSECONDS = 1_000_000


def ready_message(status: str = "") -> str:
    """The start or the reload is complete."""
    return _joined("READY=1", _status(status))


def reloading_message(monotonic_seconds: float) -> str:
    """The configuration is being read again; ends with a `ready_message`.

    Args:
        monotonic_seconds: Now on CLOCK_MONOTONIC, by which systemd tells this reload from an earlier one.
    """
    return _joined("RELOADING=1", f"MONOTONIC_USEC={int(monotonic_seconds * _MICROSECONDS)}")


def stopping_message(status: str = "") -> str:
    """The daemon drains and ends."""
    return _joined("STOPPING=1", _status(status))


def status_message(status: str) -> str:
    """The line that `systemctl status` shows."""
    return _status(status)


def extend_timeout_message(seconds: float) -> str:
    """Start or stop takes longer: do not act for this long, counted from now."""
    return f"EXTEND_TIMEOUT_USEC={int(seconds * _MICROSECONDS)}"


def watchdog_message() -> str:
    """The event loop turns."""
    return "WATCHDOG=1"


def watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    """How often to send a `watchdog_message`; None when systemd expects none from this process.

    Args:
        environ: Holds `WATCHDOG_USEC`, and `WATCHDOG_PID` when one process alone is meant.
        pid: Ours.
    """
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    period = environ.get("WATCHDOG_USEC", "")
    if not (period.isascii() and period.isdecimal()) or int(period) == 0:
        return None
    return int(period) / _MICROSECONDS / PINGS_PER_PERIOD


@dataclass(frozen=True, slots=True)
class Notifier:
    """Sends messages to one notify socket.

    Args:
        address: `$NOTIFY_SOCKET`: a path, or an abstract name that begins with `@`; empty sends nothing.
    """

    address: str = ""

    def send(self, message: str) -> bool:
        """Send one message; False when there is nobody to send it to or it did not get through."""
        if not message or self.address[:1] not in {"/", "@"}:
            return False
        name = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_SECONDS)
                sender.connect(name)
                sender.sendall(message.encode(errors="replace"))
        except OSError as error:
            log.warning("systemd was not reached: %s", error.strerror or error)
            return False
        return True


def notifier_from(environ: Mapping[str, str]) -> Notifier:
    """The notifier for this process; one that sends nothing outside of systemd."""
    return Notifier(environ.get("NOTIFY_SOCKET", ""))


def _status(text: str) -> str:
    """One line: a line break would begin a field of its own."""
    line = " ".join(text.split())[:STATUS_MAX_CHARS]
    return f"STATUS={line}" if line else ""


def _joined(*fields: str) -> str:
    return "\n".join(field for field in fields if field)
