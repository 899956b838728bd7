"""Dead letters of all workspaces: by cause, one by one, and set going again at a rate."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api.problem import invalid
from crmd.api.route import Call, Route, routed
from crmd.store import dead_letters
from crmd.store.dead_letters import BEGINNING, DeadFilter
from crmd.store.payload_editing import editing
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from crmd.store.payload_editing import Edit

_SQL = load_queries("crmd.store")
ShownT = TypeVar("ShownT", bound=msgspec.Struct)
Word = Annotated[str, Meta(min_length=1, max_length=200)]
DeadStatus = Literal["dead", "failed"]
Days = Annotated[int, Meta(ge=1, le=3650, description="that ended within so many days")]
# One request ends within seconds; who wants more sends it again.
ROWS_MAX = 10_000


class DeadWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which dead letters."""

    status: Annotated[tuple[DeadStatus, ...], Meta(description="both when left out")] = ()
    type: Word | None = None
    workspace_id: UUID | None = None
    days: Days = 30


class CausesWanted(DeadWanted, frozen=True, kw_only=True, rename="camel"):
    """Which causes."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class LettersWanted(DeadWanted, frozen=True, kw_only=True, rename="camel"):
    """Which letters of a cause."""

    after: Annotated[UUID | None, Meta(description="younger than this letter: for the next page")] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class Cause(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Letters that died of the same."""

    cause: Annotated[str, Meta(description="names it; made of the job type, the error's class and its gist")]
    type: str
    jobs: int
    status: DeadStatus
    class_: Annotated[str | None, Meta(description="of the error")] = msgspec.field(name="class", default=None)
    gist: str | None = None
    newest_id: UUID
    newest_message: str | None
    first_at: datetime
    last_at: datetime
    workspaces: Annotated[int, Meta(description="how many it met")]


class Causes(msgspec.Struct, frozen=True, kw_only=True):
    """The most frequent first."""

    causes: list[Cause]


class Letter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One job that ended badly and was not redriven."""

    id: UUID
    type: str
    status: DeadStatus
    workspace_id: UUID | None
    user_id: UUID | None
    attempt: int
    finished_at: datetime
    class_: Annotated[str | None, Meta(description="of the error")] = msgspec.field(name="class", default=None)
    message: str | None = None
    payload: Any = None


class Letters(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of them, oldest first."""

    letters: list[Letter]
    has_more: bool


class Redriving(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which letters are set going again, and how."""

    cause: Word | None = None
    is_all: Annotated[bool, Meta(description="instead of a cause or a type")] = msgspec.field(name="all", default=False)
    type: Word | None = None
    workspace_id: UUID | None = None
    status: tuple[DeadStatus, ...] = ()
    days: Days = 30
    per_second: Annotated[
        Annotated[float, Meta(gt=0, le=10_000)] | None, Meta(description="so many become due each second")
    ] = None
    patch: Annotated[
        dict[str, Any] | None, Meta(description="takes the place of these fields of each payload; null takes one away")
    ] = None
    is_dry_run: Annotated[bool, Meta(description="only count, and check the patch")] = msgspec.field(
        name="dryRun", default=False
    )


class Redriven(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many."""

    is_dry_run: bool
    redriven: Annotated[int, Meta(description="new jobs; in a dry run: how many there would be")]
    has_more: Annotated[bool, Meta(description="one request does 10,000 at the most: send it again")]


@routed("GET", "/api/dead", scope="read", tag="dead")
async def list_causes(call: Call, query: CausesWanted) -> Causes:
    """List why jobs died, the most frequent cause first; letters that were redriven are left out.

    Of each status the newest 20,000 letters are looked at.
    """
    rows = await dead_letters.groups(call.state.pool, _filter(query), query.limit)
    return Causes(causes=[_of(Cause, row) for row in rows])


@routed("GET", "/api/dead/{cause}", scope="read", tag="dead")
async def list_letters(call: Call, query: LettersWanted) -> Letters:
    """List the letters of one cause, oldest first."""
    wanted = _filter(query)
    rows = await call.state.pool.fetch(
        _SQL.dead_page, list(wanted.statuses), wanted.type, wanted.workspace_id, wanted.days, call.path["cause"],
        query.after or BEGINNING, query.limit + 1,
    )  # fmt: skip
    return Letters(letters=[_of(Letter, row) for row in rows[: query.limit]], has_more=len(rows) > query.limit)


@routed("POST", "/api/dead/redrive", scope="manage", tag="dead")
async def redrive(call: Call, body: Redriving) -> Redriven:
    """Set dead letters going again: of one cause, of one job type, or all.

    A new job is made of each; the old one stays. With a patch every payload is checked before the first job is made.
    """
    if body.cause is None and body.type is None and not body.is_all:
        raise invalid("$.cause", "Nothing is selected.", "Give a cause, a type, or all: true.")
    wanted = DeadFilter(
        statuses=body.status or ("dead", "failed"),
        type=body.type,
        workspace_id=body.workspace_id,
        cause=body.cause,
        days=body.days,
    )
    edit = editing(body.patch or None, call.state.services.job_types)
    total = 0
    async for page in _pages(call, wanted):
        total += len([edit(row) for row in page])
    if body.is_dry_run or total == 0:
        return Redriven(is_dry_run=body.is_dry_run, redriven=total, has_more=total >= ROWS_MAX)
    given = {"type": body.type, "per_second": body.per_second, "patched": sorted(body.patch or ()) or None}
    async with call.state.acting(
        call.identity, "dead.redrive", body.cause, workspace_id=body.workspace_id, **given
    ) as found:
        done = await _redriven(call, wanted, edit, body.per_second, found)
    return Redriven(is_dry_run=False, redriven=done, has_more=total >= ROWS_MAX)


async def _redriven(call: Call, wanted: DeadFilter, edit: Edit, per_second: float | None, found: dict[str, Any]) -> int:
    done = 0
    async for page in _pages(call, wanted):
        rows = await dead_letters.redrive(
            call.state.pool,
            [row["id"] for row in page],
            [edit(row) for row in page],
            before=done,
            per_second=per_second,
        )
        done += len(rows)
        found["jobs"] = done
        places = {row["id"]: row["workspace_id"] for row in page}
        for row in rows:
            call.state.changed(places[row["job_id"]], row["new_job_id"])
    return done


async def _pages(call: Call, wanted: DeadFilter) -> AsyncIterator[Sequence[Any]]:
    """As many letters as one request does."""
    count = 0
    async for page in dead_letters.pages(call.state.pool, wanted):
        yield page
        count += len(page)
        if count >= ROWS_MAX:
            return


def _filter(query: DeadWanted) -> DeadFilter:
    return DeadFilter(
        statuses=query.status or ("dead", "failed"),
        type=query.type,
        workspace_id=query.workspace_id,
        days=query.days,
    )


def _of(kind: type[ShownT], row: Any) -> ShownT:  # noqa: ANN401 - a row
    return kind(**{name: row[name.removesuffix("_")] for name in kind.__struct_fields__})


ROUTES: tuple[Route, ...] = (list_causes, list_letters, redrive)
