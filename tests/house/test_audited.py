"""Whatever an operator does by command is kept in the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.cli.grammar import build_parser, commands_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crmd.cli.grammar import Parser

# Commands that only look, and those that set up a machine or work on files of their own.
LOOKS = {
    "check", "config show", "doctor", "jobs list", "jobs show", "jobs watch", "jobs logs", "explain", "dead list",
    "dead show", "templates list", "audit", "workspace show", "schedules list", "schedules show", "schedules next",
    "connections list", "connections test", "plugins list", "plugin list", "plugins check", "plugin check",
    "effects list", "effects show", "effects counts", "events list", "events show", "events trace", "events tail",
    "events parked", "queues list", "limits list", "webhooks list", "webhooks deliveries",
}  # fmt: skip
SETS_UP = {"init", "demo", "chaos", "run", "migrate", "plugins new", "plugin new"}


def leaves(parser: Parser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Each command with its module."""
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for name, inner in action.choices.items():
                yield from leaves(inner, (*words, name))
            return
    yield " ".join(words), parser.get_default("module") or words[0].replace("-", "_")


def test_every_command_that_acts_is_audited(root: Path) -> None:
    """A command is a look, or sets up a machine, or notes what it does before it does it."""
    silent = []
    for name, inner in commands_of(build_parser()).choices.items():
        for words, module in leaves(inner, (name,)):
            path = root / "crmd" / "cli" / f"{inner.get_default('module') or module}.py"
            own = root / "crmd" / "cli" / f"{module}.py"
            text = (own if own.exists() else path).read_text("utf-8")
            if words not in LOOKS | SETS_UP and "acting(" not in text:
                silent.append(words)
    assert silent == []
