"""Asks every route of the API for what is another tenant's, and tells whatever it gets that it must not get."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID, uuid4

import msgspec

from crmd.api.identity import SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from api_server import ApiServer

    from crmd.api.route import Route

CANARY = "canary-of-the-other-tenant"
ANSWER_MAX = 64 * 1024
_PLACE = re.compile(r"{([A-Za-z]+)}")
_EVENTS = "text/event-stream"


@dataclass(frozen=True)
class Asked:
    """One request and what it got."""

    route: Route
    role: str
    path: str
    status: int
    text: str


@dataclass
class Probe:
    """The attacker.

    Attributes:
        api: The server.
        own: The workspace of the attacker's keys.
        other: The workspace that they must see nothing of.
        names: What the other tenant's things are called in addresses, by `tag/parameter` or `parameter`.
        bodies: For operations that need more than an empty body.
        keys: One for each scope alone, of the own workspace.
        marks: Texts that no answer may hold.
        faults: What was got that must not be.
        asked: Operations that were asked.
    """

    api: ApiServer
    other: UUID
    names: dict[str, str]
    bodies: dict[str, Any]
    own: UUID = field(default_factory=uuid4)
    keys: dict[str, str] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    async def attack(self, routes: Iterable[Route]) -> None:
        """Ask all of them."""
        self.keys = {scope: await self.api.new_key(scope, workspace_id=self.own) for scope in SCOPES}
        for route in routes:
            self.asked.add(route.name)
            if route.scope is not None:
                await self._without_a_key(route)
                await self._without_the_scope(route)
                await self._across(route)

    async def _without_a_key(self, route: Route) -> None:
        self._expect(await self._ask(route, "nobody", self.other, key=""), {401})

    async def _without_the_scope(self, route: Route) -> None:
        """404 where nothing of it is a tenant's, else 403: whoever may not, may not in the own workspace either."""
        for scope in set(SCOPES) - {route.scope, "admin"}:
            told = await self._ask(route, scope, self.own, key=self.keys[scope])
            self._expect(told, {404} if route.needs_operator else {403})

    async def _across(self, route: Route) -> None:
        for scope in sorted({str(route.scope), "admin"}):
            key = self.keys[scope]
            if "{workspaceId}" in route.path or route.needs_operator:
                self._expect(await self._ask(route, scope, self.other, key=key), {404})
            if "{workspaceId}" not in route.path:
                continue
            told = await self._ask(route, scope, self.own, key=key)
            if len(_PLACE.findall(route.path)) > 1 and route.method != "PUT":
                self._expect(told, {404})
            for query in self._queries(route):
                await self._ask(route, scope, self.own, key=key, query=query)

    def _queries(self, route: Route) -> Iterator[str]:
        """Each parameter that takes an id, with each id of the other tenant; and every status at once."""
        for one in () if route.query is None else msgspec.structs.fields(route.query):
            if one.type is UUID or UUID in get_args(one.type):
                ids = {name for name in self.names.values() if len(name) == len(str(self.other))}
                yield from (f"?{one.encode_name}={name}" for name in (*sorted(ids), str(self.other)))

    def _expect(self, told: Asked, statuses: set[int]) -> None:
        if told.status not in statuses:
            self._fault(told, f"{told.status} in place of {', '.join(map(str, sorted(statuses)))}")

    def _fault(self, told: Asked, what: str) -> None:
        self.faults.append(f"{told.route.method} {told.path} as {told.role}: {what}: {told.text[:200]}")

    async def _ask(self, route: Route, role: str, workspace_id: UUID, *, key: str, query: str = "") -> Asked:
        path = _PLACE.sub(lambda found: self._name(route, found[1], workspace_id), route.path) + query
        body = msgspec.json.encode(self.bodies.get(route.name, {})) if route.body is not None else None
        headers = {"Authorization": f"Bearer {key}"} | ({} if body is None else {"Content-Type": "application/json"})
        async with self.api.session.request(
            route.method, self.api.address + path, data=body, headers=headers
        ) as response:
            text = ""
            while len(text) < ANSWER_MAX and (part := await response.content.readany()):
                text += part.decode("utf-8", "replace")
                if response.content_type == _EVENTS and "snapshot" in text and text.endswith("\n\n"):
                    break  # a stream goes on
            status = response.status
            if response.content_type == _EVENTS:
                response.close()
        told = Asked(route, role, path, status, text)
        for mark in self.marks:
            if mark in text and mark not in path + (body or b"").decode():  # an echo tells nothing
                self._fault(told, f"it tells {mark}")
        if status >= 500:
            self._fault(told, "it broke")
        return told

    def _name(self, route: Route, parameter: str, workspace_id: UUID) -> str:
        """What stands in the address.

        Raises:
            KeyError: Nobody has said what the other tenant has of this kind; a new route needs that said.
        """
        if parameter == "workspaceId":
            return str(workspace_id)
        if route.method == "PUT":
            return "own-name"  # whoever puts chooses the name
        if route.needs_operator:
            return self.names.get(parameter, str(uuid4()))
        return self.names.get(f"{route.tag}/{parameter}") or self.names[parameter]
