"""Recorded traffic of jobs with the outside: taken down redacted, kept as readable JSON, played back without a network.

It sits at the guarded client's one seam, so connections, webhooks and token refreshes are all in it, with the answers
as they came: retries, pauses and verdicts happen again when it is played.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec

from crmd.errors import CrmdError, FailJob
from crmd.http.response import Response
from crmd.http.retry import Unanswered
from crmd.testing.redacting import Redactor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from crmd.composition import Opened
    from crmd.http.client import GuardedClient
    from crmd.http.request import Request

VERSION = 1
SHOWN_MAX = 5


class UnmatchedRequest(FailJob):
    """A job asked what the cassette has no answer for (any more)."""


class _Headers(dict[str, str]):
    """Headers of an answer by lower-case name, found in any case."""

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as dict has it
        """The header's value."""
        return super().get(name.lower(), default)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request and its answer; `unanswered` says why there was none."""

    method: str
    url: str
    sent: Any = None
    status: int = 0
    headers: dict[str, str] = {}
    body: Any = None
    unanswered: str = ""

    @property
    def key(self) -> str:
        """What a request must have in common with this one to get its answer."""
        return f"{self.method} {self.url} {msgspec.json.encode(self.sent, order='sorted').decode()}"


class Cassette(msgspec.Struct, frozen=True):
    """All exchanges in their order."""

    version: int
    exchanges: list[Exchange]


def read_cassette(path: Path) -> Cassette:
    """Read a cassette.

    Raises:
        CrmdError: It cannot be read, or is none.
    """
    try:
        cassette = msgspec.json.decode(path.read_bytes(), type=Cassette)
    except OSError as error:
        raise CrmdError(f"{path} cannot be read: {error.strerror}.", hint="Record one with --record.") from None
    except msgspec.DecodeError as error:
        raise CrmdError(f"{path} is no cassette: {error}.", hint="Record it anew with --record.") from None
    if cassette.version != VERSION:
        raise CrmdError(f"{path} is a cassette of version {cassette.version}.", hint="Record it anew with --record.")
    return cassette


def write_cassette(path: Path, cassette: Cassette) -> None:
    """Write a cassette, one value a line, so that a change to it can be read.

    Raises:
        CrmdError: It cannot be written.
    """
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(cassette), indent=2) + b"\n")
    except OSError as error:
        raise CrmdError(f"{path} cannot be written: {error.strerror}.", hint="Name another file.") from None


@contextlib.contextmanager
def recording(everything: Opened) -> Iterator[list[Exchange]]:
    """Take down all traffic inside the block; the list grows as it comes."""
    exchanges: list[Exchange] = []
    redactor = Redactor()

    def wire_of(client: GuardedClient) -> Callable[[Request], Awaitable[Response | Unanswered]]:
        async def send(request: Request) -> Response | Unanswered:
            answer = await client.send_once(request)
            exchanges.append(_exchange(redactor, request, answer))
            return answer

        return send

    with _wired(everything, wire_of):
        yield exchanges


@contextlib.contextmanager
def replaying(everything: Opened, cassette: Cassette) -> Iterator[None]:
    """Answer every request inside the block from the cassette; equal requests get their answers in order."""
    redactor = Redactor()
    answers: dict[str, deque[Exchange]] = {}
    for exchange in cassette.exchanges:
        answers.setdefault(exchange.key, deque()).append(exchange)

    async def send(request: Request) -> Response | Unanswered:
        wanted = _exchange(redactor, request, None)
        left = answers.get(wanted.key)
        if not left:
            raise UnmatchedRequest(_unmatched(wanted, cassette, is_used_up=left is not None))
        return _answer(left.popleft(), request.host)

    with _wired(everything, lambda _: send):
        yield


@contextlib.contextmanager
def _wired(
    everything: Opened, wire_of: Callable[[GuardedClient], Callable[[Request], Awaitable[Response | Unanswered]]]
) -> Iterator[None]:
    clients = (everything.provider_http, everything.services.http)
    before = [client.wire for client in clients]
    for client in clients:
        client.wire = wire_of(client)
    try:
        yield
    finally:
        for client, wire in zip(clients, before, strict=True):
            client.wire = wire


def _exchange(redactor: Redactor, request: Request, answer: Response | Unanswered | None) -> Exchange:
    redactor.headers(dict(request.headers))
    asked = Exchange(method=request.method, url=redactor.url(_whole_url(request)), sent=_sent(redactor, request))
    match answer:
        case None:
            return asked
        case Unanswered(reason):
            return msgspec.structs.replace(asked, unanswered=reason)
        case _:
            headers = redactor.headers(dict(answer.headers))
            return msgspec.structs.replace(
                asked, status=answer.status, headers=headers, body=redactor.body(answer.body)
            )


def _whole_url(request: Request) -> str:
    if not request.params:
        return request.url
    parts = urlsplit(request.url)
    added = urlencode(list(request.params.items()) if isinstance(request.params, Mapping) else list(request.params))
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, added)))))


def _sent(redactor: Redactor, request: Request) -> object:
    match request.body:
        case None:
            return None
        case bytes():
            return redactor.body(request.body)
        case _:
            return redactor.form(dict(request.body))


def _answer(exchange: Exchange, host: str) -> Response | Unanswered:
    if exchange.unanswered:
        return Unanswered(exchange.unanswered, is_sent=True)
    is_text = isinstance(exchange.body, str)
    body = exchange.body.encode() if is_text else msgspec.json.encode(exchange.body)
    return Response(exchange.status, _Headers(exchange.headers), body, host)


def _unmatched(wanted: Exchange, cassette: Cassette, *, is_used_up: bool) -> str:
    asked = f"{wanted.method} {wanted.url}"
    if is_used_up:
        return f"The cassette's answers to {asked} are used up; record it anew."
    near = [f"{one.method} {one.url}" for one in cassette.exchanges][:SHOWN_MAX]
    return f"The cassette has no answer to {asked}; it begins with: {'; '.join(near) or 'nothing'}."
