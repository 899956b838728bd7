"""The commands that change how much runs at a time, live: queues and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.cli.grammar import Commands, Grammar, Parser

KEY = "a limit as `crmd limits` names it, type:JOB, workspace/ID or connection/ID"


def add(grammar: Grammar) -> None:
    """Add them."""
    _add_queues(grammar)
    _add_limits(grammar)


def _add_queues(grammar: Grammar) -> None:
    queues = grammar.command("queues", "List queues; pause, resume and resize them live.", function="listed")
    actions = grammar.group(queues)
    grammar.command("list", "List queues with what runs and waits.", function="listed", under=actions)
    _add_pause(grammar, actions, "queue", "NAME", "its name")
    resize = _changing(grammar, actions, "resize", "Give a queue more or less room, live.")
    resize.add_argument("queue", metavar="NAME", help="its name")
    resize.add_argument("--slots", type=int, metavar="N", help="jobs that each daemon runs at a time")
    resize.add_argument("--fleet", type=int, metavar="N", help="jobs that all daemons together run at a time")
    resize.add_argument("--reset", dest="is_reset", action="store_true", help="what the configuration says holds again")
    _add_reason(resize)


def _add_limits(grammar: Grammar) -> None:
    limits = grammar.command("limits", "List limits; set, weigh, pause and resume keys live.", function="listed")
    actions = grammar.group(limits)
    grammar.command("list", "List limits, and keys that are set, paused or closed.", function="listed", under=actions)
    _add_pause(grammar, actions, "key", "KEY", KEY)
    for name, text, metavar in (
        ("set", "Set how many jobs of a key run at a time.", "MAX"),
        ("weight", "Set a workspace's share of the turns; 1 is everybody's.", "WEIGHT"),
    ):
        parser = _changing(grammar, actions, name, text)
        parser.add_argument("key", metavar="KEY", help=KEY)
        parser.add_argument("value", nargs="?", type=int if name == "set" else float, metavar=metavar, help="a number")
        parser.add_argument("--reset", dest="is_reset", action="store_true", help="what is declared holds again")
        _add_reason(parser)


def _add_pause(grammar: Grammar, actions: Commands, what: str, metavar: str, text: str) -> None:
    pause = _changing(grammar, actions, "pause", f"Let a {what} rest, on all daemons.")
    pause.add_argument(what, metavar=metavar, help=text)
    pause.add_argument("--for", dest="duration", metavar="TIME", help="as 90s, 10m or 1h30m; else until it is resumed")
    _add_reason(pause)
    resume = _changing(grammar, actions, "resume", f"Let a {what} go on.")
    resume.add_argument(what, metavar=metavar, help=text)
    _add_reason(resume)


def _changing(grammar: Grammar, actions: Commands, name: str, text: str) -> Parser:
    parser = grammar.command(name, text, function={"set": "limit", "weight": "weigh"}.get(name, name), under=actions)
    parser.set_defaults(module="tuning")
    return parser


def _add_reason(parser: Parser) -> None:
    parser.add_argument("--reason", metavar="TEXT", default="", help="why, for whoever looks later")
