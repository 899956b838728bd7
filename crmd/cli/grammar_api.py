"""The commands around the REST API: its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.cli.grammar import Grammar

SCOPES = ("read", "enqueue", "manage", "admin")


def add(grammar: Grammar) -> None:
    """Add them."""
    keys = grammar.command("keys", "Keys of the REST API and the dashboard.", function="listed")
    actions = grammar.group(keys)
    listed = grammar.command("list", "List keys, newest first.", function="listed", under=actions)
    listed.add_argument("--all", dest="is_all", action="store_true", help="those that are over, too")
    create = grammar.command("create", "Make a key and show it, this once.", function="create", under=actions)
    create.add_argument("client", metavar="CLIENT", help="whose it is: a program, a front end, a person")
    create.add_argument(
        "--scope", choices=SCOPES, action="append", help="what it may do; may be repeated; default: read and enqueue"
    )
    create.add_argument("--workspace", metavar="ID", help="the only workspace that it may see, by id or name")
    create.add_argument(
        "--type", dest="job_types", action="append", metavar="JOB", help="a job type that it may start; may be repeated"
    )
    create.add_argument("--for", dest="lives", metavar="TIME", help="how long it lives, as 12h; default: for ever")
    revoke = grammar.command("revoke", "End a key at once.", function="revoke", under=actions)
    revoke.add_argument("id", metavar="ID", help="as the list shows it, or the whole key")
