"""What can be typed: every command, its arguments, and the flags that may stand before or after it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NoReturn

import crmd
from crmd.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Commands = argparse._SubParsersAction["Parser"]  # noqa: SLF001 - argparse has no public name for it

LEVELS = ("debug", "info", "warning", "error")
EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 not reachable, 75 try again later, 130 Ctrl-C."
DEFAULT_ACTIONS = {
    "jobs": "list",
    "schedules": "list",
    "connections": "list",
    "effects": "list",
    "rates": "list",
    "events": "list",
    "dead": "list",
    "templates": "list",
    "queues": "list",
    "limits": "list",
    "plugins": "list",
    "config": "show",
    "webhooks": "list",
}
_WITH_VALUE = {"--config", "--log-level", "--set"}


class Parser(argparse.ArgumentParser):
    """A parser whose faults are operator errors, told like every other."""

    def error(self, message: str) -> NoReturn:
        """Say what does not fit."""
        sentence = message[:1].upper() + message[1:].rstrip(".")
        raise UsageError(f"{sentence}.", hint=f"`{self.prog} --help` shows how it is written.")


class _Collect(argparse.Action):
    """Appends to one list, whichever parser meets the flag: before the command or after it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's own signature
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401 - argparse's own signature
        option_string: str | None = None,  # noqa: ARG002 - argparse's own signature
    ) -> None:
        self.const.append(values)
        setattr(namespace, self.dest, self.const)


class Grammar:
    """A parser being built.

    Attributes:
        parser: The whole.
        commands: Where commands are added.
    """

    def __init__(self) -> None:
        self._overrides: list[str] = []
        self.parser = Parser(
            prog="crmd",
            description="The background half of a CRM: jobs, schedules, mail sync and plugins on PostgreSQL.",
            epilog=EXIT_CODES,
            parents=[self._flags(is_first=True)],
        )
        self.parser.add_argument("--version", action="version", version=f"crmd {crmd.__version__}")
        self.commands: Commands = self.parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")

    def command(
        self, name: str, text: str, *, function: str = "run", under: Commands | None = None, opening: str = ""
    ) -> Parser:
        """Add a command.

        Args:
            name: As it is typed; the module of this name is imported when it is run.
            text: One sentence for the help.
            function: Of that module.
            under: The group that it belongs to; None: a command of its own.
            opening: Said at once, while the module is still being imported.
        """
        within = self.commands if under is None else under
        parser = within.add_parser(name, help=text, description=text, parents=[self._flags(is_first=False)])
        if under is None:
            parser.set_defaults(module=name.replace("-", "_"), function=function, opening=opening)
        else:
            parser.set_defaults(function=function)
        return parser

    def group(self, parser: Parser) -> Commands:
        """Where the sub-commands of a command are added."""
        return parser.add_subparsers(metavar="ACTION", dest="action", required=True)

    def _flags(self, *, is_first: bool) -> Parser:
        """The flags of every command. Behind a command they have no default, or it would undo what stood before."""
        absent = argparse.SUPPRESS
        flags = Parser(add_help=False)
        group = flags.add_argument_group("flags of every command")
        group.add_argument(
            "--config", metavar="PATH", default=None if is_first else absent, help="the config file to read"
        )
        group.add_argument(
            "--set",
            dest="overrides",
            metavar="KEY=VALUE",
            action=_Collect,
            const=self._overrides,
            default=self._overrides if is_first else absent,
            help="a setting, as section.key=value; may be repeated",
        )
        group.add_argument(
            "--log-level", choices=LEVELS, default=None if is_first else absent, help="least severity that is logged"
        )
        group.add_argument(
            "--json",
            dest="is_json",
            action="store_true",
            default=False if is_first else absent,
            help="one JSON document on standard output",
        )
        group.add_argument(
            "--debug",
            dest="is_debug",
            action="store_true",
            default=False if is_first else absent,
            help="show the traceback of an unforeseen error",
        )
        return flags


def build_parser() -> Parser:
    """The parser of all of crmd's own commands."""
    from crmd.cli import (  # noqa: PLC0415 - they are written with this module's Grammar
        grammar_api,
        grammar_daily,
        grammar_effects,
        grammar_events,
        grammar_limits,
        grammar_operations,
        grammar_schedules,
        grammar_setup,
    )

    grammar = Grammar()
    for part in (
        grammar_setup,
        grammar_daily,
        grammar_effects,
        grammar_events,
        grammar_operations,
        grammar_schedules,
        grammar_limits,
        grammar_api,
    ):
        part.add(grammar)
    return grammar.parser


def commands_of(parser: Parser) -> Commands:
    """Where a parser's commands are."""
    actions = parser._actions  # noqa: SLF001 - argparse has no public way to its sub-parsers
    return next(action for action in actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001 - the same


def is_known(parser: Parser, command: str) -> bool:
    """Whether it is a command of ours."""
    return command in commands_of(parser).choices


def wanted_command(words: Sequence[str]) -> str | None:
    """The command among the words: the first that is neither a flag nor a flag's value."""
    is_value = False
    for word in words:
        if is_value:
            is_value = False
        elif word.startswith("-"):
            is_value = word in _WITH_VALUE
        else:
            return word
    return None


def completed(parser: Parser, words: list[str], command: str | None) -> list[str]:
    """The words, with `list` where a command of several actions is given none: `crmd jobs --status dead`."""
    default = DEFAULT_ACTIONS.get(command or "")
    if default is None or command is None or {"-h", "--help"} & set(words):
        return words
    place = words.index(command) + 1
    actions = commands_of(commands_of(parser).choices[command]).choices
    rest = words[place:]
    is_given = any(word in actions for word in rest) or (rest and not rest[0].startswith("-"))
    return words if is_given else [*words[:place], default, *rest]


def first_reading(words: Sequence[str]) -> argparse.Namespace:
    """The flags alone, before it is known which commands there are."""
    flags = Grammar()._flags(is_first=True)  # noqa: SLF001 - the same module
    return flags.parse_known_args(list(words))[0]
