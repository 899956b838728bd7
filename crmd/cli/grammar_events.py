"""The commands about events: what happened, what follows from it, what got stuck, and what is handed over again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.model import PRIORITIES

if TYPE_CHECKING:
    from crmd.cli.grammar import Commands, Grammar, Parser

ID = "an event's id, or its beginning"


def add(grammar: Grammar) -> None:
    """Add them."""
    events = grammar.command("events", "List, trace, follow and replay events; what handlers could not cope with.")
    actions = grammar.group(events)
    listed = grammar.command("list", "List events, newest first.", function="listed", under=actions)
    _add_filter(listed)
    listed.add_argument("--limit", type=int, default=20, metavar="N", help="how many; default 20")
    listed.add_argument("--before", metavar="ID", help="the page before this event")
    show = grammar.command("show", "Show one event, and to whom it was handed.", function="show", under=actions)
    show.add_argument("id", metavar="ID", help=ID)
    trace = grammar.command("trace", "Show the chain that an event or job belongs to.", function="trace", under=actions)
    trace.add_argument("id", metavar="ID", help="the id of an event or a job")
    tail = grammar.command("tail", "Print events as they come, until Ctrl-C.", function="run", under=actions)
    tail.set_defaults(module="tailing")
    tail.add_argument(
        "--type", action="append", metavar="TYPE", help="as contact.created or contact.*; may be repeated"
    )
    tail.add_argument("--workspace", metavar="ID", help="of one workspace")
    tail.add_argument("--limit", type=int, metavar="N", help="end after so many")
    _add_parked(grammar, actions)
    _add_replay(grammar, actions)
    _add_triggers(grammar, actions)


def _add_filter(parser: Parser) -> None:
    parser.add_argument(
        "--type", action="append", metavar="TYPE", help="as contact.created or contact.*; may be repeated"
    )
    parser.add_argument("--workspace", metavar="ID", help="of one workspace")
    parser.add_argument("--user", metavar="ID", help="of one user")
    parser.add_argument("--aggregate", metavar="TYPE/ID", help="what happened to one thing, as contact/0198…")
    parser.add_argument("--since", metavar="ISO", help="emitted then or later, as 2026-03-01T09:00+01:00")
    parser.add_argument("--until", metavar="ISO", help="emitted before")


def _add_parked(grammar: Grammar, actions: Commands) -> None:
    parked = grammar.command("parked", "List events that a handler keeps failing at.", function="parked", under=actions)
    parked.add_argument("--handler", metavar="NAME", help="of one handler")
    parked.add_argument("--limit", type=int, default=50, metavar="N", help="how many; default 50")
    retry = grammar.command("retry", "Hand parked events to their handler again.", function="retry", under=actions)
    dismiss = grammar.command("dismiss", "Let a parked event be.", function="dismiss", under=actions)
    for parser in (parked, retry, dismiss):
        parser.set_defaults(module="parking")
    for parser in (retry, dismiss):
        parser.add_argument("handler", metavar="HANDLER", help="as `crmd events parked` shows it")
    retry.add_argument("id", nargs="?", metavar="ID", help=f"{ID}; all that are parked when left out")
    dismiss.add_argument("id", metavar="ID", help=ID)


def _add_replay(grammar: Grammar, actions: Commands) -> None:
    text = "Hand past events to a handler, in order, or rebuild a projection from them."
    replay = grammar.command("replay", text, function="run", under=actions)
    replay.set_defaults(module="replay")
    replay.add_argument("--to", required=True, metavar="NAME", help="a handler, or a projection")
    _add_filter(replay)
    replay.add_argument("--again", dest="is_forced", action="store_true", help="those too that the handler has had")
    replay.add_argument("--per-second", type=float, metavar="N", help="let so many jobs fall due in a second")
    replay.add_argument("--dry-run", dest="is_dry_run", action="store_true", help="count, and hand over nothing")
    replay.add_argument("--yes", dest="is_confirmed", action="store_true", help="do not ask")
    projections = grammar.command(
        "projections", "List projections and how far they have come.", function="projections", under=actions
    )
    projections.set_defaults(module="replay")


def _add_triggers(grammar: Grammar, actions: Commands) -> None:
    listed = grammar.command("triggers", "List which events start which jobs.", function="listed", under=actions)
    trigger = grammar.command("trigger", "Let events start jobs from now on.", function="add", under=actions)
    untrigger = grammar.command("untrigger", "Take such a trigger back.", function="remove", under=actions)
    for parser in (listed, trigger, untrigger):
        parser.set_defaults(module="triggering")
    listed.add_argument("--job", metavar="JOB", help="of one job type")
    for parser in (trigger, untrigger):
        parser.add_argument("event_type", metavar="TYPE", help="as contact.created, contact.* or *")
        parser.add_argument("job_type", metavar="JOB", help="name of a job type")
    trigger.add_argument("--when", metavar="PATH", help="""a condition on the data, as '$.amount > 100'""")
    trigger.add_argument("--delay", metavar="TIME", help="how long after the event, as 90s, 5m or 1h30m")
    trigger.add_argument("--priority", choices=PRIORITIES, help="instead of the declared one")
    trigger.add_argument(
        "--dedup", action="append", metavar="FIELD", help="of each value of it one job waits at the most"
    )
    trigger.add_argument(
        "--max-delay", metavar="TIME", help="with --dedup: further events move the job so far at the most"
    )
