"""The grammar of `crmd schedules`."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from crmd.model import CatchUp, Overlap, Schedule

if TYPE_CHECKING:
    from crmd.cli.grammar import Commands, Grammar, Parser

DEFAULT = Schedule(expression="@daily")


def add(grammar: Grammar) -> None:
    """Add it."""
    text = "List, make, pause and foretell schedules, and fire what a window had."
    actions = grammar.group(grammar.command("schedules", text, function="listed"))
    listed = grammar.command("list", "List schedules with their next three ticks.", function="listed", under=actions)
    listed.add_argument("--workspace", metavar="ID", help="of one workspace")
    listed.add_argument("--limit", type=int, default=100, metavar="N", help="how many; default 100")
    listed.add_argument("--after", default="", metavar="ID", help="the page after this schedule")
    _one(grammar, actions, "show", "Show one schedule.")
    following = _one(grammar, actions, "next", "Show its next ticks.", "foretell")
    following.add_argument("-n", dest="count", type=int, default=5, metavar="N", help="how many; default 5")
    _one(grammar, actions, "pause", "Let a schedule rest.")
    resume = _one(grammar, actions, "resume", "Let it go on, from its next tick.")
    resume.add_argument(
        "--make-up", dest="is_made_up", action="store_true", help="its catch-up decides about the ticks of the pause"
    )
    _add_add(grammar, actions)
    _one(grammar, actions, "remove", "Drop a schedule that was made at run time.").set_defaults(module="scheduling")
    _add_backfill(grammar, actions)


def _add_add(grammar: Grammar, actions: Commands) -> None:
    new = grammar.command("add", "Make a schedule, or change the one of that name.", function="add", under=actions)
    new.set_defaults(module="scheduling")
    new.add_argument("name", metavar="NAME", help="one per workspace; it never changes")
    new.add_argument("job_type", metavar="JOB", help="name or alias of a job type")
    new.add_argument("when", metavar="WHEN", help='"0 9 * * *", "every 15m" or "at 2026-03-01T09:00"')
    new.add_argument("--timezone", default=DEFAULT.timezone, metavar="ZONE", help="as Europe/Zurich; default UTC")
    new.add_argument("--payload", metavar="JSON", help="JSON, or @file, or - for standard input")
    new.add_argument("--workspace", metavar="ID", help="a workspace's id or name")
    new.add_argument("--user", metavar="ID", help="the user whom it concerns")
    new.add_argument("--connection", metavar="ID", help="the connection that its jobs work on")
    new.add_argument("--subject", metavar="KEY", help="what it is about, as meeting:42")
    offset = new.add_mutually_exclusive_group()
    offset.add_argument("--before", dest="lead", metavar="TIME", help="so long before WHEN, as 1h")
    offset.add_argument("--after", dest="lag", metavar="TIME", help="so long after WHEN, as 1d")
    new.add_argument("--catch-up", choices=get_args(CatchUp), default=DEFAULT.catch_up, help="what missed ticks become")
    new.add_argument("--catch-up-max", type=int, default=DEFAULT.catch_up_max, metavar="N", help="with all: at most")
    new.add_argument(
        "--overlap", choices=get_args(Overlap), default=DEFAULT.overlap, help="a tick beside an unfinished job"
    )
    new.add_argument("--spread", metavar="TIME", help="move the job by a stable hash inside this window")


def _add_backfill(grammar: Grammar, actions: Commands) -> None:
    backfill = _one(grammar, actions, "backfill", "Fire the ticks of a window that have not fired.")
    backfill.set_defaults(module="scheduling")
    backfill.add_argument("--from", dest="after", required=True, metavar="ISO", help="ticks later than this")
    backfill.add_argument("--to", dest="before", required=True, metavar="ISO", help="and earlier than this")
    backfill.add_argument("--max", type=int, default=1000, metavar="N", help="refuse more ticks; default 1000")
    backfill.add_argument("--dry-run", dest="is_dry_run", action="store_true", help="tell them, and fire none")


def _one(grammar: Grammar, actions: Commands, name: str, text: str, function: str = "") -> Parser:
    parser = grammar.command(name, text, function=function or name, under=actions)
    parser.add_argument("id", metavar="ID", help="as `crmd schedules` shows it")
    return parser
