"""One request and its answer as plain values, so that a batch part and a whole request take the same path."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

JSON_TYPE = "application/json; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came in; header names are lower case, the path is decoded and holds no query."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    in_batch: bool = False

    def value(self, name: str, default: str = "") -> str:
        """Give the last value of a query parameter, as Google's front end does."""
        return next((value for key, value in reversed(self.query) if key == name), default)

    def values(self, name: str) -> list[str]:
        """Give every value of a repeated query parameter, in order."""
        return [value for key, value in self.query if key == name]

    def media_type(self) -> str:
        """Give the Content-Type without its parameters, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it goes over the wire."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()


class RefusedCall(Exception):  # noqa: N818 - it carries an ordinary answer of the provider, not a fault of the sandbox
    """Ends the handling of a call with a ready answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"answered {reply.status}")
        self.reply = reply


def json_reply(payload: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Give an answer whose body is the payload as JSON."""
    return Reply(status, msgspec.json.encode(payload), headers=headers)
