"""The commands around the REST API: its keys, and the webhooks that are made over it."""

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
    _add_webhooks(grammar)


def _add_webhooks(grammar: Grammar) -> None:
    webhooks = grammar.command("webhooks", "Webhooks, their messages, and sending those again.", function="listed")
    actions = grammar.group(webhooks)
    listed = grammar.command("list", "List webhooks, oldest first.", function="listed", under=actions)
    listed.add_argument("--workspace", metavar="ID", help="of this workspace, by id or name")
    deliveries = grammar.command(
        "deliveries", "List the messages to a webhook, newest first.", function="deliveries", under=actions
    )
    deliveries.add_argument("--status", choices=("pending", "delivered", "failed"), help="only those")
    deliveries.add_argument("--limit", type=int, default=20, metavar="N", help="so many at the most (20)")
    deliveries.add_argument("--before", metavar="ID", help="older than this message, for the next page")
    replay = grammar.command(
        "replay", "Send the messages again that failed, with their old ids.", function="replay", under=actions
    )
    replay.add_argument("--delivery", metavar="ID", help="this message alone, whatever became of it")
    replay.add_argument("--since", metavar="ISO", help="of events since then, as 2026-03-01T09:00+01:00")
    replay.add_argument(
        "--missed", dest="includes_missed", action="store_true", help="also what happened while it was disabled"
    )
    replay.add_argument("--per-second", type=float, default=10.0, metavar="N", help="so many a second (10)")
    enable = grammar.command("enable", "Let a webhook be told again.", function="enable", under=actions)
    disable = grammar.command("disable", "Let a webhook be told of nothing.", function="disable", under=actions)
    disable.add_argument("--reason", default="disabled by an operator", metavar="TEXT", help="why, for its workspace")
    for one in (deliveries, replay, enable, disable):
        one.add_argument("id", metavar="WEBHOOK", help="as the list shows it")
