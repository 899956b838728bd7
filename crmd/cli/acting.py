"""What an operator does by command: asked about where it touches much, and kept in the audit."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from crmd.errors import UsageError
from crmd.store.audit_trail import Action, audited

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import AsyncIterator
    from uuid import UUID

    from crmd.store.pools import Connection, Pool


def actor() -> str:
    """Who runs this command: `cli:ada@vm-1`, and whose sudo it is."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        name = str(os.getuid())
    behind = os.environ.get("SUDO_USER")
    return f"cli:{behind + '/' if behind else ''}{name}@{socket.gethostname()}"


@contextlib.asynccontextmanager
async def acting(
    pool: Pool | Connection, name: str, target: object = None, *, workspace_id: UUID | None = None, **details: object
) -> AsyncIterator[dict[str, Any]]:
    """Do an action in the block; it is noted before and after. The block may add what it found.

    Args:
        pool: One whose JSON columns are plain objects, as `attached.database` gives.
        name: `jobs.cancel`, `queues.pause`, …
        target: Id or name of what it is done to.
        workspace_id: Whose that is.
        details: What else was asked for; None is left out.
    """
    given = {key: value if isinstance(value, bool | int | float | list | dict) else str(value)
             for key, value in details.items() if value is not None}  # fmt: skip
    text = None if target is None else str(target)
    async with audited(
        pool, Action(actor=actor(), name=name, target=text, workspace_id=workspace_id, details=given)
    ) as found:
        yield found


def confirm(arguments: Namespace, question: str) -> None:
    """Ask before much is touched; `--yes` answers beforehand.

    Raises:
        UsageError: The answer is no, or nobody can be asked.
    """
    if arguments.is_confirmed:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to be asked.", hint="Add --yes, or --dry-run to look first.")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError("Nothing was done.")
