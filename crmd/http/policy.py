"""The bounds of one outgoing request."""

from __future__ import annotations

from dataclasses import dataclass, field

from crmd.backoff import Backoff

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPolicy:
    """What a request may cost at most.

    Args:
        deadline_seconds: The whole call, with its retries and waits.
        connect_seconds: One connection attempt, name lookup and TLS included.
        read_seconds: Silence between two pieces of an answer.
        body_bytes_max: Size of an answer's body, counted after decompression.
        attempts_max: Times one call is sent, when it may be sent again.
        wait_seconds_max: A pause that a provider asks for is waited out inside the job up to this; a longer one gives
            the slot back.
        unstated_pause_seconds: How long everybody pauses when a provider keeps refusing without saying for how long.
        in_flight_max: Requests at a time per gate (that is, per connection) and daemon.
        backoff: Pauses between the attempts of one call.
    """

    deadline_seconds: float = 60.0
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    body_bytes_max: int = 64 * MEBIBYTE
    attempts_max: int = 3
    wait_seconds_max: float = 5.0
    unstated_pause_seconds: float = 30.0
    in_flight_max: int = 10
    backoff: Backoff = field(default_factory=lambda: Backoff(first_seconds=0.5, factor=2.0, cap_seconds=10.0))


PUBLIC_POLICY = HttpPolicy(deadline_seconds=30.0, read_seconds=15.0, body_bytes_max=MEBIBYTE)
"""For addresses that users give: whoever answers there is nobody we know."""
