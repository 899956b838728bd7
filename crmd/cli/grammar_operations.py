"""The commands of whoever runs crmd: jobs by the many, dead letters, templates, logs, the audit, the explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.cli import grammar_durable
from crmd.model import PRIORITIES, STATUSES

if TYPE_CHECKING:
    from crmd.cli.grammar import Commands, Grammar, Parser

REASON = "cancelled by an operator"


def add(grammar: Grammar) -> None:
    """Add them."""
    explain = grammar.command("explain", "Say why a job does not run yet: every gate, and the earliest start.")
    explain.add_argument("id", metavar="ID", help="a job's id, or its beginning")
    _add_dead(grammar)
    _add_templates(grammar)
    _add_workspace(grammar)
    audit = grammar.command("audit", "List what operators did, newest first.")
    audit.add_argument("--actor", metavar="WHO", help="by one actor, as the list shows it")
    audit.add_argument(
        "--action", dest="action_name", metavar="NAME", help="of one kind, as jobs.cancel, or jobs for all"
    )
    audit.add_argument("--target", metavar="ID", help="done to this id or name")
    audit.add_argument("--limit", type=int, default=50, metavar="N", help="how many; default 50")
    audit.add_argument("--before", metavar="ID", help="the page before this entry")


def add_to_jobs(grammar: Grammar, actions: Commands) -> None:
    """Add the actions of `crmd jobs` that may touch many."""
    cancel = grammar.command("cancel", "Cancel a job and those below it, or many.", function="cancel", under=actions)
    cancel.set_defaults(module="bulk")
    _add_selection(cancel)
    cancel.add_argument("--reason", default=REASON, metavar="TEXT", help="kept with each job")
    retry = grammar.command("retry", "Run an ended job again as a new one, or many.", function="retry", under=actions)
    retry.set_defaults(module="bulk")
    _add_selection(retry)
    retry.add_argument("--payload", metavar="JSON", help="another payload: JSON, or @file, or - for standard input")
    grammar_durable.add_to_retry(retry)
    _add_rate(retry)
    logs = grammar.command("logs", "Print what a job has logged.", function="run", under=actions)
    logs.set_defaults(module="logs")
    logs.add_argument("id", metavar="ID", help="a job's id, or its beginning")
    logs.add_argument("--follow", dest="is_followed", action="store_true", help="go on until it has ended")


def _add_selection(parser: Parser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="a job's id, or its beginning; or filters instead")
    parser.add_argument("--status", choices=STATUSES, action="append", help="may be repeated")
    parser.add_argument("--type", metavar="JOB", help="of one job type")
    parser.add_argument("--queue", metavar="NAME", help="of one queue")
    parser.add_argument("--workspace", metavar="ID", help="of one workspace")
    parser.add_argument("--user", metavar="ID", help="of one user")
    parser.add_argument("--older-than", metavar="TIME", help="created at least so long ago, as 90s, 5m or 1h30m")
    parser.add_argument("--since", metavar="ISO", help="created then or later, as 2026-03-01T09:00+01:00")
    parser.add_argument("--error-class", metavar="NAME", help="whose newest error is of this class")
    parser.add_argument("--cause", metavar="CAUSE", help="of one cause, as `crmd dead` shows it")
    _add_caution(parser)


def _add_caution(parser: Parser) -> None:
    parser.add_argument("--dry-run", dest="is_dry_run", action="store_true", help="only show what would be touched")
    parser.add_argument("--yes", dest="is_confirmed", action="store_true", help="do not ask")


def _add_rate(parser: Parser) -> None:
    parser.add_argument("--per-second", type=float, metavar="N", help="let N of them become due each second")


def _add_dead(grammar: Grammar) -> None:
    dead = grammar.command("dead", "Dead letters by cause; set them going again.", function="listed")
    actions = grammar.group(dead)
    listed = grammar.command("list", "List causes, the most frequent first.", function="listed", under=actions)
    show = grammar.command("show", "Show the letters of one cause.", function="show", under=actions)
    show.add_argument("cause", metavar="CAUSE", help="as `crmd dead` shows it")
    redrive = grammar.command("redrive", "Set dead letters going again.", function="redrive", under=actions)
    redrive.add_argument("cause", nargs="?", metavar="CAUSE", help="as `crmd dead` shows it")
    redrive.add_argument("--all", dest="is_all", action="store_true", help="of every cause")
    redrive.add_argument("--patch", metavar="JSON", help="fields to change in each payload; null takes a field away")
    _add_rate(redrive)
    _add_caution(redrive)
    for parser in (listed, show, redrive):
        parser.add_argument("--status", choices=("dead", "failed"), action="append", help="one of the two only")
        parser.add_argument("--type", metavar="JOB", help="of one job type")
        parser.add_argument("--workspace", metavar="ID", help="of one workspace")
        parser.add_argument("--days", type=int, default=30, metavar="N", help="ended within N days; default 30")
    for parser in (listed, show):
        parser.add_argument("--limit", type=int, default=50, metavar="N", help="how many; default 50")


def _add_templates(grammar: Grammar) -> None:
    templates = grammar.command("templates", "Job types with a payload, under a name.", function="listed")
    actions = grammar.group(templates)
    listed = grammar.command("list", "List templates.", function="listed", under=actions)
    save = grammar.command("save", "Keep a job type with a payload under a name.", function="save", under=actions)
    run = grammar.command("run", "Enqueue the job of a template.", function="run", under=actions)
    remove = grammar.command("remove", "Forget a template.", function="remove", under=actions)
    for parser in (save, run, remove):
        parser.add_argument("name", metavar="NAME", help="lower case letters, digits and dashes")
    save.add_argument("job_type", nargs="?", metavar="JOB", help="name or alias of a job type")
    save.add_argument("--from-job", metavar="ID", help="take type and payload of this job")
    save.add_argument("--priority", choices=PRIORITIES, help="instead of the declared one")
    save.add_argument("--queue", metavar="NAME", help="instead of the declared one")
    save.add_argument("--description", metavar="TEXT", help="for people")
    run.add_argument("--user", metavar="ID", help="the user whom it concerns")
    for parser in (save, run):
        parser.add_argument("--payload", metavar="JSON", help="JSON, or @file, or - for standard input")
    for parser in (listed, save, run, remove):
        parser.add_argument("--workspace", metavar="ID", help="a workspace's id or name; without: of the installation")


def _add_workspace(grammar: Grammar) -> None:
    workspace = grammar.command("workspace", "Show, export or erase everything of a workspace.", function="show")
    actions = grammar.group(workspace)
    show = grammar.command("show", "How many rows there are, by table.", function="show", under=actions)
    export = grammar.command("export", "Write all its rows into a zip file.", function="export", under=actions)
    erase = grammar.command("erase", "Cancel its jobs, and erase every row of it.", function="erase", under=actions)
    for parser in (show, export, erase):
        parser.add_argument("workspace", metavar="ID", help="a workspace's id or name")
    export.add_argument("--to", metavar="FILE", help="default: workspace-<id>.zip here")
    erase.add_argument(
        "--wait", dest="wait_seconds", type=float, default=60.0, metavar="N", help="seconds for running jobs to stop"
    )
    _add_caution(erase)
