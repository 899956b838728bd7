"""The commands of every day: jobs and connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.cli import grammar_operations
from crmd.model import ON_CONFLICTS, PRIORITIES, SCOPES, STATUSES

if TYPE_CHECKING:
    from crmd.cli.grammar import Commands, Grammar, Parser

URLS = ("token", "api", "batch", "authorize", "device")


def add(grammar: Grammar) -> None:
    """Add them."""
    _add_run_once(grammar)
    _add_enqueue(grammar)
    _add_jobs(grammar)
    _add_connections(grammar)


def _add_job_arguments(parser: Parser) -> None:
    parser.add_argument("job_type", metavar="JOB", help="name or alias of a job type")
    parser.add_argument("--payload", metavar="JSON", help="JSON, or @file, or - for standard input")
    parser.add_argument("--workspace", metavar="ID", help="a workspace's id or name")
    parser.add_argument("--user", metavar="ID", help="the user whom it concerns")


def _add_run_once(grammar: Grammar) -> None:
    text = "Run one job here and now, on the executor's own path."
    once = grammar.command("run-once", text, opening="Opening the database …")
    _add_job_arguments(once)
    once.add_argument("--dry-run", dest="is_dry_run", action="store_true", help="check everything, and enqueue nothing")
    once.add_argument("--pdb", dest="has_debugger", action="store_true", help="debug the handler when it raises")
    traffic = once.add_mutually_exclusive_group()
    traffic.add_argument("--record", metavar="FILE", help="write what it asks of the outside to a cassette, redacted")
    traffic.add_argument("--replay", metavar="FILE", help="answer what it asks from a cassette, without a network")
    once.add_argument("--wait", dest="is_patient", action="store_true", help="wait for limits and gates")


def _add_enqueue(grammar: Grammar) -> None:
    enqueue = grammar.command("enqueue", "Enqueue a job for the daemons.")
    _add_job_arguments(enqueue)
    when = enqueue.add_mutually_exclusive_group()
    when.add_argument("--at", "--run-at", metavar="ISO", help="when it is due, as 2026-03-01T09:00+01:00")
    when.add_argument("--in", dest="delay", metavar="TIME", help="in how long it is due, as 90s, 5m or 1h30m")
    enqueue.add_argument("--priority", choices=PRIORITIES, help="instead of the declared one")
    enqueue.add_argument("--after", metavar="ID", action="append", help="a job that ends well first; may be repeated")
    enqueue.add_argument("--expires-in", metavar="TIME", help="never started so long after it was due, as 90s or 5m")
    enqueue.add_argument("--unique-key", metavar="KEY", help="at most one job holds it")
    enqueue.add_argument("--scope", choices=SCOPES, help="how long it is held, instead of as declared")
    enqueue.add_argument("--hold", metavar="TIME", help="with --scope for: so long")
    enqueue.add_argument("--on-conflict", choices=ON_CONFLICTS, help="what becomes of a job whose key is taken")
    enqueue.add_argument("--max-delay", metavar="TIME", help="with push_back: as far from the first enqueue at most")


def _add_jobs(grammar: Grammar) -> None:
    jobs = grammar.command("jobs", "List, show, watch, retry and cancel jobs; read their logs.", function="listed")
    actions = grammar.group(jobs)
    listed = grammar.command("list", "List jobs, newest first.", function="listed", under=actions)
    listed.add_argument("--status", choices=STATUSES, action="append", help="may be repeated")
    listed.add_argument("--type", metavar="JOB", help="of one job type")
    listed.add_argument("--workspace", metavar="ID", help="of one workspace")
    listed.add_argument("--batch", metavar="ID", help="of one batch, or children of one job")
    listed.add_argument("--limit", type=int, default=20, metavar="N", help="how many; default 20")
    listed.add_argument("--before", metavar="ID", help="the page before this job")
    _add_one(grammar, actions, "show", "Show one job with its attempts.", "job")
    watch = grammar.command("watch", "Watch a job, or all, until it ends or Ctrl-C.", function="watch", under=actions)
    watch.add_argument("id", nargs="?", metavar="ID", help="a job's id, or its beginning")
    grammar_operations.add_to_jobs(grammar, actions)


def _add_one(grammar: Grammar, actions: Commands, name: str, text: str, what: str) -> None:
    parser = grammar.command(name, text, function=name, under=actions)
    parser.add_argument("id", metavar="ID", help=f"a {what}'s id, or its beginning")


def _add_connections(grammar: Grammar) -> None:
    connections = grammar.command("connections", "List, add, test, stop and remove connections.", function="listed")
    actions = grammar.group(connections)
    listed = grammar.command("list", "List connections with their state.", function="listed", under=actions)
    listed.add_argument("--workspace", metavar="ID", help="of one workspace")
    listed.add_argument("--provider", metavar="NAME", help="at one provider")
    _add_connections_add(grammar, actions)
    _add_one(grammar, actions, "test", "Ask the provider whether a connection works.", "connection")
    _add_one(grammar, actions, "disable", "Stop a connection: its jobs wait.", "connection")
    _add_one(grammar, actions, "enable", "Let a disabled connection work again.", "connection")
    _add_one(grammar, actions, "remove", "Forget a connection, its tokens and its cursors.", "connection")


def _add_connections_add(grammar: Grammar, actions: Commands) -> None:
    add = grammar.command("add", "Connect an account.", function="connect", under=actions)
    add.set_defaults(module="connecting")
    add.add_argument("provider", metavar="PROVIDER", help="as google")
    add.add_argument(
        "--workspace", required=True, metavar="ID", help="the workspace's id, or a name that stands for one"
    )
    add.add_argument("--user", metavar="ID", help="the user who consents")
    add.add_argument("--account", metavar="ADDRESS", help="the account; asked of the provider when left out")
    add.add_argument("--client-id", metavar="ID", help="OAuth client; default: [providers.<name>]")
    add.add_argument("--client-secret-file", metavar="FILE", help="file with its secret, or $CRMD_CLIENT_SECRET")
    add.add_argument(
        "--refresh-token-file",
        metavar="FILE",
        help="file with a refresh token, - for standard input, or $CRMD_REFRESH_TOKEN",
    )
    for name in URLS:
        add.add_argument(f"--{name}-url", metavar="URL", help=f"the provider's {name} address, where it differs")
    how = add.add_mutually_exclusive_group()
    how.add_argument("--device", dest="is_by_device", action="store_true", help="consent on another device")
    how.add_argument("--browser", dest="is_by_browser", action="store_true", help="consent in a browser here")
