"""The commands that set crmd up and keep it running."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.cli.grammar import Commands, Grammar

# As crmd.testing.conformance.rule has them, which is not imported before it is needed.
GRADES = ("none", "bronze", "silver", "gold", "platinum")


def add(grammar: Grammar) -> None:
    """Add them."""
    grammar.command("run", "Run the daemon until it is asked to stop.")
    _add_demo(grammar)
    _add_init(grammar)
    _add_chaos(grammar)
    grammar.command("doctor", "Look for what is wrong, and say how to mend it.", opening="Looking at everything …")
    grammar.command("check", "Check the configuration and the plugins, every problem with its place.")
    _add_migrate(grammar)
    _add_config(grammar)
    _add_plugins(grammar)


def _add_demo(grammar: Grammar) -> None:
    opening = "A database, a mailbox and a daemon are being set up; nothing of yours is touched."
    text = "Show it all on a made-up mailbox: no account, no settings, one minute."
    demo = grammar.command("demo", text, opening=opening)
    demo.add_argument("--seconds", type=float, default=55.0, metavar="N", help="end after so long at the most")
    demo.add_argument(
        "--stay", dest="is_staying", action="store_true", help="then go on, with the dashboard and jobs to look at"
    )
    demo.add_argument("--keep", action="store_true", help="keep the folder with the database afterwards")
    demo.add_argument("--dir", metavar="PATH", help="use this folder, and keep it")


def _add_chaos(grammar: Grammar) -> None:
    chaos = grammar.command("chaos", "Let everything fail around real daemons, and check what is left.")
    chaos.add_argument("--seconds", type=float, default=60.0, metavar="N", help="how long it storms; default 60")
    chaos.add_argument("--daemons", type=int, default=3, metavar="N", help="how many there are, 2 to 9; default 3")
    chaos.add_argument("--seed", type=int, metavar="N", help="of faults and jobs; default: a new one, which is told")
    chaos.add_argument("--rate", type=float, default=150.0, metavar="N", help="jobs that are offered a second")
    chaos.add_argument("--dsn", metavar="URL", help="a server on which a database is made and dropped again")
    chaos.add_argument("--plan", dest="is_plan_only", action="store_true", help="only print what would be done")


def _add_init(grammar: Grammar) -> None:
    init = grammar.command("init", "Write a commented crmd.toml.")
    init.add_argument("path", nargs="?", default="crmd.toml", help="where to; default ./crmd.toml")
    init.add_argument("--force", action="store_true", help="replace a file that is there")


def _add_migrate(grammar: Grammar) -> None:
    migrate = grammar.command("migrate", "Bring the database up to date.", opening="Opening the database …")
    migrate.add_argument("--dry-run", dest="is_dry_run", action="store_true", help="only show what is missing")


def _add_config(grammar: Grammar) -> None:
    config = grammar.command("config", "Show every setting in force.", function="show")
    actions = grammar.group(config)
    show = grammar.command("show", "Show every setting in force.", function="show", under=actions)
    show.add_argument("--origin", action="store_true", help="with the file, variable or flag that set it")
    show.add_argument("--toml", action="store_true", help="as a crmd.toml to keep, without secrets")


def _add_plugins(grammar: Grammar) -> None:
    plugins = grammar.command("plugins", "List the plugins, a broken one with its reason.", function="listed")
    actions = grammar.group(plugins)
    text = "List the enabled plugins, and those that are off."
    grammar.command("list", text, function="listed", under=actions)
    text = "End the quarantine of a plugin whose jobs crashed."
    release = grammar.command("release", text, function="release", under=actions)
    release.set_defaults(module="blamed")
    release.add_argument("name", help="of the plugin")
    plugin = grammar.command("plugin", "Begin a new plugin, or grade one.", function="new")
    plugin.set_defaults(module="plugins")
    actions = grammar.group(plugin)
    new = grammar.command("new", "Write a new plugin: one job, its settings, its test.", function="new", under=actions)
    new.add_argument("name", help="lower case with dashes, as lead-scoring")
    new.add_argument("--dir", default=".", metavar="PATH", help="where its folder is made; default here")
    _add_plugin_check(grammar, actions)


def _add_plugin_check(grammar: Grammar, actions: Commands) -> None:
    text = "Grade a plugin by running it: twice, killed, cancelled, at a provider that refuses."
    check = grammar.command("check", text, under=actions)
    check.set_defaults(module="plugin_check", opening="A database is being made; nothing of yours is touched.")
    check.add_argument("targets", nargs="*", metavar="PLUGIN", help="name, package or folder; default: here, or all")
    check.add_argument("--min-grade", default="bronze", choices=GRADES, help="end with 1 below it; default bronze")
    check.add_argument(
        "--record", dest="is_recorded", action="store_true", help="keep the grades, for the dashboard; they are audited"
    )
    check.add_argument(
        "--kills", dest="kills_max", type=int, default=24, metavar="N", help="steps at which each job is killed"
    )
