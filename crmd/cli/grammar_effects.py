"""The commands about what leaves the house."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from crmd.ledger import EffectState

if TYPE_CHECKING:
    from crmd.cli.grammar import Grammar


def add(grammar: Grammar) -> None:
    """Add them."""
    _add_effects(grammar)
    rates = grammar.command("rates", "List shared rates and closed gates; open a gate.", function="listed")
    actions = grammar.group(rates)
    grammar.command("list", "List the shared rates as they stand.", function="listed", under=actions)
    grammar.command("gates", "List the gates that are closed now.", function="closed", under=actions)
    opened = grammar.command("open", "Open a gate; what waits behind it goes on.", function="set_open", under=actions)
    opened.add_argument("key", metavar="KEY", help="as `crmd rates gates` shows it")


def _add_effects(grammar: Grammar) -> None:
    text = "List what was to happen once outside; say what became of what nobody knows."
    effects = grammar.command("effects", text, function="listed")
    actions = grammar.group(effects)
    listed = grammar.command("list", "List effects, newest first.", function="listed", under=actions)
    listed.add_argument("--unknown", dest="is_unknown", action="store_true", help="those that somebody has to look at")
    listed.add_argument("--state", choices=get_args(EffectState), action="append", help="may be repeated")
    listed.add_argument("--kind", metavar="KIND", help="as mail")
    listed.add_argument("--workspace", metavar="ID", help="of one workspace")
    listed.add_argument("--limit", type=int, default=20, metavar="N", help="how many; default 20")
    listed.add_argument("--before", metavar="ID", help="the page before this effect")
    grammar.command("counts", "Count effects by kind and state.", function="counts", under=actions)
    show = grammar.command("show", "Show one effect.", function="show", under=actions)
    show.add_argument("id", metavar="ID", help="an effect's id, or its beginning")
    resolve = grammar.command(
        "resolve", "Say whether an unknown effect took place; its jobs go on.", function="resolve", under=actions
    )
    resolve.add_argument("id", metavar="ID", help="an effect's id, or its beginning")
    found = resolve.add_mutually_exclusive_group(required=True)
    found.add_argument("--sent", dest="is_sent", action="store_true", help="it took place")
    found.add_argument("--not-sent", dest="is_sent", action="store_false", help="it did not; it may be sent again")
    resolve.add_argument("--receipt", metavar="JSON", help="what the receiver answered")
