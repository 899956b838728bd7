"""The command line: reads the arguments, runs one command, and turns whatever ends it into a sentence and an exit code.

Nothing here imports more than argparse and the front door, so that help and usage errors come at once; the module of
a command is imported when it is run.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from crmd.cli.grammar import build_parser, completed, is_known, wanted_command
from crmd.errors import CrmdError, ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code, as documented in docs/cli.md."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(_understood(words))
        sys.stdout.flush()
    except SystemExit as end:  # argparse, after --help or --version
        return end.code if isinstance(end.code, int) else int(ExitCode.OK)
    except CrmdError as error:
        return _tell(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _close_output()
        return int(ExitCode.OK)
    except Exception as error:
        if "--debug" in words:
            raise
        return _tell(_explained(error))
    return code


def _understood(words: list[str]) -> Namespace:
    """The grammar is gone when the command runs: a daemon would keep it for its whole life."""
    parser = build_parser()
    command = wanted_command(words)
    if command is not None and not is_known(parser, command):
        import_module("crmd.cli.foreign").add_commands(parser, words, command)
    arguments = parser.parse_args(completed(parser, words, command))
    if not hasattr(arguments, "module") and not hasattr(arguments, "run"):
        parser.print_help()
        raise UsageError("No command is given.", hint="Choose one from the list above.")
    return arguments


def _run(arguments: Namespace) -> int:
    """A command of ours names its module and function; one of a plugin brings its function along."""
    if hasattr(arguments, "run"):
        return int(arguments.run(arguments) or ExitCode.OK)
    if arguments.opening:
        sys.stderr.write(f"{arguments.opening}\n")
        sys.stderr.flush()
    module = import_module(f"crmd.cli.{arguments.module}")
    return int(getattr(module, arguments.function)(arguments))


def _tell(error: CrmdError) -> int:
    sys.stderr.write(f"crmd: {error.sentence}\n")
    if error.hint:
        sys.stderr.write(f"      {error.hint}\n")
    return int(error.exit_code)


def _explained(error: Exception) -> CrmdError:
    """An operator error for what was not foreseen."""
    explained: CrmdError = import_module("crmd.cli.unforeseen").explained(error)
    return explained


def _close_output() -> None:
    """Whoever read our output has gone; the interpreter's own flush at its end must not complain about it."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
