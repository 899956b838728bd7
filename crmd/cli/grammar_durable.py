"""What is asked of commands about durable work: which items and which steps a retried job takes up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.cli.grammar import Parser


def add_to_retry(retry: Parser) -> None:
    """The choices of `crmd jobs retry`."""
    items = "only the items that the job booked as failed"
    retry.add_argument("--failed-items", dest="is_failed_items", action="store_true", help=items)
    ways = retry.add_mutually_exclusive_group()
    ways.add_argument(
        "--resume", dest="is_resumed", action="store_true", help="go on behind the steps that it has kept"
    )
    ways.add_argument("--from-step", metavar="NAME", help="as --resume, and do this step and those after it again")
