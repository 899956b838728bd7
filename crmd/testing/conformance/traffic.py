"""Everything that a tried job asks of the outside: answered by fakes, refused on order, and looked at."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from crmd.http.response import Response
from crmd.http.retry import Unanswered
from crmd.testing.conformance.place import place_of_frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crmd.composition import Opened
    from crmd.http.client import GuardedClient
    from crmd.http.request import Request
    from crmd.sample import Answer
    from crmd.store.pools import Pool

TOKEN_PATH = re.compile(r"/(?:[a-z0-9/_.-]{0,60}/)?token")
FAKE_ACCESS_TOKEN = "canary-of-an-access-token"  # noqa: S105 - made up, to be looked for where it must not be
FAKE_REFRESH_TOKEN = "canary-of-a-refresh-token"  # noqa: S105 - the same


@dataclass(slots=True)
class Traffic:
    """What one trial's jobs send, and how it is answered.

    Attributes:
        folder: Of the plugin's code, to name places in it.
        fakes: Who answers, by host.
        sandboxes: Beginnings of URLs that are really asked: fakes with a server of their own.
        storm_seconds: While it is not None, providers answer 429 and ask for such a pause.
        asked: Host of each request, those for tokens left out.
        undeclared: Hosts that were asked and that nobody declared, each with the place.
        held_up: Hosts that were asked while a transaction was open, each with the place.
        secrets: Credentials that were sent.
    """

    folder: str
    fakes: dict[str, Answer] = field(default_factory=dict)
    sandboxes: set[str] = field(default_factory=set)
    storm_seconds: float | None = None
    asked: list[str] = field(default_factory=list)
    undeclared: list[tuple[str, str]] = field(default_factory=list)
    held_up: list[tuple[str, str]] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def wire(self, everything: Opened) -> None:
        """Put it in place of the network."""
        for client in (everything.provider_http, everything.services.http):
            client.wire = self._wire_of(client, everything.pools.plugins)

    def _wire_of(self, client: GuardedClient, pool: Pool) -> Callable[[Request], Awaitable[Response | Unanswered]]:
        async def send(request: Request) -> Response | Unanswered:
            self._look(request, is_transaction_open=pool.get_size() > pool.get_idle_size())
            if self.storm_seconds is not None and not _is_for_token(request):
                headers = {"Retry-After": str(int(self.storm_seconds))}
                return Response(429, headers, b'{"error": "too many requests"}', request.host)
            if request.url.startswith(tuple(self.sandboxes)):
                return await client.send_once(request)
            return self._fake(request)

        return send

    def _look(self, request: Request, *, is_transaction_open: bool) -> None:
        credential = request.headers.get("Authorization", "").rpartition(" ")[2]
        if credential:
            self.secrets.add(credential)
        if _is_for_token(request):
            return
        self.asked.append(request.host)
        if is_transaction_open:
            self.held_up.append((request.host, self._place()))

    def _fake(self, request: Request) -> Response | Unanswered:
        answer = self.fakes.get(request.host)
        if answer is None:
            self.undeclared.append((request.host, self._place()))
            return Unanswered(f"{request.host} is not declared by the sample", is_sent=False)
        if _is_for_token(request):
            grant = {"access_token": FAKE_ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3600}
            return Response(200, {}, msgspec.json.encode(grant), request.host)
        parts = urlsplit(request.url)
        given = request.params or {}
        params = dict(parse_qsl(parts.query, keep_blank_values=True)) | dict(given)
        body = request.body if isinstance(request.body, bytes) else urlencode(request.body or {}).encode()
        answered = answer(request.method, parts.path, params, body)
        if isinstance(answered, Response):
            return answered
        return Response(200, {"Content-Type": "application/json"}, msgspec.json.encode(answered), request.host)

    def _place(self) -> str:
        return place_of_frame(sys._getframe(), self.folder)  # noqa: SLF001 - the documented way to see one's own stack


def _is_for_token(request: Request) -> bool:
    return TOKEN_PATH.fullmatch(urlsplit(request.url).path) is not None
