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
        rows: Of events just written, in the order of their emission.
        handlers: Those that hear of their type.
        tx: What the handlers may use: the emitting transaction.

    Raises:
        Veto: A handler said no; whatever else one raises goes through as well.
    """
    for row in rows:
        for handler in handlers:
            await handler.function(event_of(row, handler.event_type), tx)


def event_of(row: Mapping[str, Any], event_type: Any) -> Any:  # noqa: ANN401 - Event of some data
    """A row of crmd.event as a handler annotates it.

    Raises:
        UsageError: Its data does not fit; the sentence holds the path of the bad field.
    """
    wire = {_camel(name): value for name, value in row.items()}
    try:
        return msgspec.convert(wire, event_type, strict=True)
    except msgspec.ValidationError as error:
        raise UsageError(f"The event {row['type']} does not fit its handler: {error}.") from error


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
