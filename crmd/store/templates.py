"""Templates of jobs: a job type with a payload under a name, to be run again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One template, checked against its job type already.

    Args:
        name: Lower case letters, digits, dashes.
        job_type: What it runs.
        payload: As the connection's jsonb codec takes it.
        workspace_id: Whose it is; None: of the installation, for every workspace.
        priority: None: as the job type declares.
        queue: None: as the job type declares.
        description: For people.
    """

    name: str
    job_type: str
    payload: Any
    workspace_id: UUID | None = None
    priority: str | None = None
    queue: str | None = None
    description: str = ""


async def save(database: Pool | Connection, template: Template) -> bool:
    """Keep it, replacing one of the same name; whether it is new."""
    is_new: bool = await database.fetchval(
        _SQL.template_save, template.name, template.workspace_id, template.job_type, template.payload,
        template.priority, template.queue, template.description,
    )  # fmt: skip
    return is_new


async def find(database: Pool | Connection, name: str, workspace_id: UUID | None) -> Any:  # noqa: ANN401 - a row, or None
    """The workspace's own template of that name, or else the installation's; None when there is neither."""
    return await database.fetchrow(_SQL.template_get, name, workspace_id)


async def list_templates(database: Pool | Connection, workspace_id: UUID | None = None) -> Sequence[Any]:
    """Templates by name: those that the workspace may use, or all."""
    return await database.fetch(_SQL.template_list, workspace_id)


async def remove(database: Pool | Connection, name: str, workspace_id: UUID | None) -> bool:
    """Forget it; whether there was one."""
    return await database.fetchval(_SQL.template_remove, name, workspace_id) is not None
