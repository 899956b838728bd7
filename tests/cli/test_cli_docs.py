from __future__ import annotations

import re
from pathlib import Path

from crmd.cli.grammar import Parser, build_parser, commands_of
from crmd.errors import ExitCode

DOCUMENT = Path(__file__).parents[2] / "docs" / "cli.md"


def commands() -> set[str]:
    """Every command, with its actions."""
    found = set()
    for name, parser in commands_of(build_parser()).choices.items():
        actions = [action for action in parser._actions if isinstance(action.choices, dict)]
        if not actions:
            found.add(name)
        for action in actions:
            assert isinstance(action.choices, dict)
            found |= {f"{name} {inner}" for inner in action.choices}
    return found


def flags(parser: Parser) -> set[str]:
    """The long flags of a command and its actions."""
    found = {word for action in parser._actions for word in action.option_strings if word.startswith("--")}
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for inner in action.choices.values():
                found |= flags(inner)
    return found


def test_every_command_is_documented() -> None:
    """docs/cli.md has each command and action, and no other."""
    told = set(re.findall(r"`crmd ([a-z][a-z-]*(?: [a-z]+)?)", DOCUMENT.read_text("utf-8")))
    assert commands() - told == set()
    assert told - commands() - set(commands_of(build_parser()).choices) == set()


def test_every_flag_is_documented() -> None:
    """docs/cli.md names each flag, and no other."""
    real = flags(build_parser()) - {"--help", "--version"}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", DOCUMENT.read_text("utf-8"))) - {"--help", "--version"}
    assert told == real


def test_every_exit_code_is_documented() -> None:
    """docs/cli.md has a row for each exit code."""
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)}
    assert told == {int(code) for code in ExitCode} | {130}
