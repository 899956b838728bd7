"""`crmd audit`: what operators did, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.cli.asking import uuid_of
from crmd.cli.attached import on_database
from crmd.cli.screen import show_rows
from crmd.errors import ExitCode
from crmd.store.audit_trail import trail

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

COLUMNS = {"at": "when", "actor": "who", "action": "did", "target": "to", "outcome": "outcome", "details": "details"}


def run(arguments: Namespace) -> int:
    """List actions."""

    async def work(pool: Pool, _config: Config) -> int:
        rows = await trail(
            pool,
            actor=arguments.actor,
            action=arguments.action_name,
            target=arguments.target,
            before_id=uuid_of(arguments.before, "an entry"),
            limit=max(arguments.limit, 1),
        )
        shown = [dict(row) for row in rows]
        if not arguments.is_json:
            shown = [
                {**row, "outcome": row["outcome"] or "not known", "details": row["details"] or None} for row in shown
            ]
        show_rows(shown, COLUMNS, is_json=arguments.is_json, empty="Nobody has done anything yet.")
        return ExitCode.OK

    return on_database(arguments, work)
