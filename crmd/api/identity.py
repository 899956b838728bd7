"""Who asks, and what that one may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from crmd.api.problem import Problem

if TYPE_CHECKING:
    from uuid import UUID

Scope: TypeAlias = Literal["read", "enqueue", "manage", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "enqueue", "manage", "admin")
"""What a key may do: look, start and stop jobs, run what it sees (retry in bulk, schedules, webhooks), everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who asks.

    Attributes:
        name: For the audit and for limits: `key:k7f3…`, `user:…`.
        scopes: What it may do; `admin` may all that the others may.
        workspace_id: The only one that it may see; None: all.
        user_id: Whom a token speaks for; None for a key.
        job_types: The only ones that it may enqueue; None: all.
        expires_at: When its token ends, seconds since 1970; None: it is looked up again.
    """

    name: str
    scopes: frozenset[Scope]
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    job_types: frozenset[str] | None = None
    expires_at: float | None = None

    @property
    def is_operator(self) -> bool:
        """Whether it sees what belongs to nobody or to everybody: daemons, queues, all workspaces."""
        return self.workspace_id is None

    def need(self, scope: Scope) -> None:
        """Go on only with this scope.

        Raises:
            Problem: 403.
        """
        if scope not in self.scopes and "admin" not in self.scopes:
            raise Problem(403, "forbidden", f"This needs the scope {scope!r}.", hint="Use a key that has it.")

    def may_enqueue(self, job_type: str) -> bool:
        """Whether it may start jobs of this type."""
        return self.job_types is None or job_type in self.job_types


NOBODY = Identity(name="nobody", scopes=frozenset())
"""Who asks where everybody may."""
