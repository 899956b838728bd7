"""A receiver of mail, SMS or plain POSTs that takes whatever it is sent, as often as it is sent, and keeps a record.

It knows no idempotency keys: what arrives twice is there twice. That makes it the witness of whether a sender keeps its
promise to send once.
"""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from crmd.testing.sandbox.exchange import Call, Reply, json_reply
from crmd.testing.sandbox.faults import Fault, FaultPlan
from crmd.testing.sandbox.recording import RequestLog
from crmd.testing.sandbox.server import ProviderServer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY_HEADER = "idempotency-key"


@dataclass(frozen=True, slots=True)
class Accepted:
    """One thing that was taken.

    Args:
        kind: The path it was sent to, as `mail`.
        key: Its Idempotency-Key, as it came.
        content: The JSON that was sent.
    """

    kind: str
    key: str
    content: Any


class Sink:
    """Takes `POST /<kind>`; `GET /<kind>?key=…` says whether one of that key was taken.

    Attributes:
        url: Of the server.
        accepted: All that was taken, in order.
        faults: What is to go wrong; those without a status, and `faults.lost_answer`, happen after it was taken.
        log: Every request.
    """

    def __init__(self) -> None:
        self.url = ""
        self.accepted: list[Accepted] = []
        self.faults = FaultPlan()
        self.log = RequestLog()

    @classmethod
    @asynccontextmanager
    async def running(cls, *, concurrent_max: int | None = None, port: int = 0) -> AsyncIterator[Sink]:
        """Serve on the loopback address until the block ends.

        Args:
            concurrent_max: Open requests allowed at once for one Authorization header; None for no limit.
            port: Where to listen; 0 takes a free port.
        """
        sink = cls()
        server = ProviderServer(sink.answer, _refused, sink.faults, sink.log, concurrent_max)
        async with serving(server, sink.faults, port) as url:
            sink.url = url
            yield sink

    def answer(self, call: Call) -> Reply:
        """Take it, or look it up."""
        kind = call.path.strip("/")
        if call.method == "GET":
            found = self.find(kind, call.value("key"))
            return json_reply({"found": [{"id": number} for number in found]})
        if call.method != "POST":
            return json_reply({"error": "method"}, status=HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            content = msgspec.json.decode(call.body) if call.body else None
        except msgspec.DecodeError:
            return json_reply({"error": "no JSON"}, status=HTTPStatus.BAD_REQUEST)
        self.accepted.append(Accepted(kind, call.headers.get(KEY_HEADER, ""), content))
        return json_reply({"id": len(self.accepted)}, status=HTTPStatus.ACCEPTED)

    def find(self, kind: str, key: str) -> list[int]:
        """Numbers, from 1, of what was taken under that key."""
        return [number for number, one in enumerate(self.accepted, 1) if (one.kind, one.key) == (kind, key)]

    def repeated(self, field: str) -> dict[Any, int]:
        """Values of a field of the content that came more than once, and how often."""
        counts = Counter((one.kind, one.content[field]) for one in self.accepted)
        return {value: count for value, count in counts.items() if count > 1}


def _refused(fault: Fault) -> Reply:
    headers = (("Retry-After", fault.retry_after),) if fault.retry_after is not None else ()
    return json_reply({"error": fault.reason or "refused"}, status=fault.status or 500, headers=headers)
