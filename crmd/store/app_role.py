"""The role that statements of plugins run as, where the connected role stands above row-level security."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.errors import CrmdError
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")


async def is_needed(pool: Pool) -> bool:
    """Whether plugins' statements must change to `crmd_app`.

    Raises:
        CrmdError: They must, and there is no such role.
    """
    row = await pool.fetchrow(_SQL.app_role)
    if row is None or not row["is_above_policies"]:
        return False
    if not row["is_member"]:
        raise CrmdError(
            "The database role ignores row-level security, and the role crmd_app does not exist.",
            hint="Run `crmd migrate` as a role that may create roles, or use an ordinary role that owns the database.",
        )
    return True
