"""What was done in a workspace, and by whom."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api.route import Call, Route, routed
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping

_SQL = load_queries("crmd.store")
Word = Annotated[str, Meta(min_length=1, max_length=200)]
# Whoever asks over REST is named; of those at the machine it is said that they were.
_OWN = "api:"


class DoneAction(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One action."""

    id: UUID
    at: datetime
    actor: Annotated[str, Meta(description="`api:user:…`, `api:key:…`, or `operator`")]
    action: str
    target: str | None
    details: Any
    outcome: Annotated[str | None, Meta(description="`done`, or why not; null: it has not ended")]
    ended_at: datetime | None


class DoneActions(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of actions, newest first."""

    actions: list[DoneAction]
    has_more: bool


class ActionsWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which actions."""

    action: Annotated[Word | None, Meta(description="or its beginning: `jobs.`")] = None
    target: Word | None = None
    before: Annotated[UUID | None, Meta(description="older than this entry: for the next page")] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


@routed("GET", "/api/workspaces/{workspaceId}/audit", scope="manage", tag="audit")
async def list_workspace_audit(call: Call, query: ActionsWanted) -> DoneActions:
    """List what was done in the workspace: by its keys and users, and by operators."""
    async with call.state.sight(call.workspace_id) as connection:
        rows = await connection.fetch(
            _SQL.api_audit_list, call.workspace_id, query.action, query.target, query.before, query.limit + 1
        )
    shown = [_view(call, dict(row)) for row in rows[: query.limit]]
    return DoneActions(actions=shown, has_more=len(rows) > query.limit)


def _view(call: Call, row: Mapping[str, Any]) -> DoneAction:
    actor = row["actor"] if call.identity.is_operator or row["actor"].startswith(_OWN) else "operator"
    return DoneAction(**{**row, "actor": actor})


ROUTES: tuple[Route, ...] = (list_workspace_audit,)
