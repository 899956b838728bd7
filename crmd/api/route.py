"""A route: its address, who may call it, what it takes and what it answers. The OpenAPI document is made from these."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from uuid import UUID

    from crmd.api.identity import Identity, Scope
    from crmd.api.state import State

    Handler: TypeAlias = Callable[..., Awaitable[Any]]


BodyT = TypeVar("BodyT", bound=msgspec.Struct)
RAW = web.RequestKey("raw", bytes)
"""Under this key a request keeps the bytes of its body."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters, or no body."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[BodyT]):
    """An answer with a status or headers of its own; a bare struct is a 200.

    Attributes:
        body: The struct.
        status: Of HTTP; it has to be one that the route names.
        headers: To be sent along.
    """

    body: BodyT
    status: int = 200
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, authenticated and checked.

    Attributes:
        state: What the API works with.
        identity: Who asks.
        path: The parameters in the address, as text.
        workspace_id: The one in the address, which the caller may see; None on a route of operators.
        request: Of aiohttp, for what is not in the types.
    """

    state: State
    identity: Identity
    path: Mapping[str, str]
    workspace_id: UUID | None
    request: web.Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one address.

    Attributes:
        method: Of HTTP.
        path: With `{names}`; `{workspaceId}` is checked against the caller.
        handler: `async def (call)`, `(call, body)` or with `query` as a keyword.
        scope: What the caller needs; None: everybody may.
        tag: The noun that it is filed under.
        status: Of the usual answer.
        also: Further statuses with the same answer.
        is_for_all: Whether callers of a workspace may call it, though no workspace is in its address.
        is_idempotent: Whether it takes an Idempotency-Key.
        takes_more: Whether parameters may stand behind the question mark that are not in `query`.
        problems: Statuses beside it that come from the handler itself.
        query: What stands behind the question mark.
        body: What is sent; None: nothing.
        answer: What is answered; None: no JSON, see `media_type`.
        media_type: Of the answer.
        is_open: Says which requests need no key although there is a scope; None: none.
    """

    method: str
    path: str
    handler: Handler
    scope: Scope | None
    tag: str
    status: int = 200
    also: tuple[int, ...] = ()
    is_for_all: bool = False
    is_idempotent: bool = False
    takes_more: bool = False
    problems: tuple[int, ...] = ()
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    answer: type[msgspec.Struct] | None = None
    media_type: str = "application/json"
    is_open: Callable[[State, web.Request], bool] | None = None

    @property
    def name(self) -> str:
        """Of the operation."""
        return self.handler.__name__

    @property
    def summary(self) -> str:
        """The first line of what the handler says of itself."""
        return (inspect.getdoc(self.handler) or self.name).splitlines()[0]

    @property
    def description(self) -> str:
        """Whatever else it says."""
        return "\n".join((inspect.getdoc(self.handler) or "").splitlines()[2:])

    @property
    def needs_operator(self) -> bool:
        """Whether it shows what belongs to no single workspace."""
        return self.scope is not None and not self.is_for_all and "{workspaceId}" not in self.path


def routed(method: str, path: str, *, scope: Scope | None, tag: str, **more: Any) -> Callable[[Handler], Route]:  # noqa: ANN401 - fields of Route
    """Declare a route; what it takes and answers is read from the handler's annotations."""

    def declare(handler: Handler) -> Route:
        hints = get_type_hints(handler)
        answer = hints.get("return")
        if get_origin(answer) is Answer:
            [answer] = get_args(answer)
        is_struct = isinstance(answer, type) and issubclass(answer, msgspec.Struct)
        return Route(
            method=method,
            path=path,
            handler=handler,
            scope=scope,
            tag=tag,
            query=hints.get("query"),
            body=hints.get("body"),
            answer=answer if is_struct else None,
            **more,
        )

    return declare
