"""`crmd config show`: every setting in force, and where it comes from."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from crmd.cli.screen import show_rows
from crmd.cli.session import configured
from crmd.config.showing import shown
from crmd.errors import ExitCode

if TYPE_CHECKING:
    from argparse import Namespace


def show(arguments: Namespace) -> int:
    """Show them; secrets are masked."""
    columns = {"key": "key", "value": "value"}
    if arguments.origin:
        columns["origin"] = "origin"
    show_rows([asdict(line) for line in shown(configured(arguments))], columns, is_json=arguments.is_json)
    return ExitCode.OK
