"""A check that a plugin adds to `crmd doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crmd.context import Statements


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A named check.

    Args:
        name: Short, as `mail search index`.
        check: Gets statements to run; returns None when all is well, else one sentence with its fix.
    """

    name: str
    check: Callable[[Statements], Awaitable[str | None]]
