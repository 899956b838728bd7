"""Asks the handlers that run inside the emitting transaction; what one of them raises ends the emit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crmd.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crmd.context import Statements
    from crmd.event_handler import SyncHandler


async def ask(rows: Sequence[Mapping[str, Any]], handlers: Sequence[SyncHandler], tx: Statements) -> None:
    """Tell each handler of each event, in order.

    Args:
        rows: Of event_rows.sql.
        handlers: Those that hear of their type.
        tx: What the handlers may use: the emitting transaction.

    Raises:
        Veto: A handler said no; whatever else one raises goes through as well.
        UsageError: The data does not fit a handler; the sentence holds the path of the bad field.
    """
    for row in rows:
        for handler in handlers:
            await handler.function(_decoded(row["event"], handler), tx)


def _decoded(text: str, handler: SyncHandler) -> Any:  # noqa: ANN401 - Event of some data
    try:
        return msgspec.json.decode(text, type=handler.event_type)
    except msgspec.ValidationError as error:
        name = handler.function.__name__
        raise UsageError(f"The event does not fit its handler {name}: {error}.", hint="See what emits it.") from error
