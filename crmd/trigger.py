"""A trigger: which events start a job of a type, on what condition, when, and how often at the most."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crmd.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.model import Priority

_EVENT_TYPE = re.compile(r"\*|[a-z][a-z0-9_]{0,63}\.(?:\*|[a-z][a-z0-9_]{0,63}(?:\.[a-z][a-z0-9_]{0,63}){0,3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Which events start a job, and how.

    Args:
        event: An event type as `contact.created`, or `contact.*`, or `*`.
        when: On what condition: fields of the data with the value that each must have, or a tuple of values of which
            it must have one; or an SQL/JSON path that is true or false, as `$.amount > 100 && $.stage == "won"`.
        delay_seconds: How long after the event the job is due.
        dedup: Fields of the data; of each of their values at most one job waits. A further event changes its payload.
        max_delay_seconds: With `dedup`, a further event also moves it to `delay_seconds` from then, but no further than
            this from the first; None: it keeps its time.
        priority: Of the job; None: as its type declares.
        gives: What the job's payload is: the fields of the data that its type knows, or the whole event.
        is_ordered: An event waits until the one before of the same aggregate is done.
    """

    event: str
    when: Mapping[str, object] | str | None = None
    delay_seconds: float = 0.0
    dedup: tuple[str, ...] | None = None
    max_delay_seconds: float | None = None
    priority: Priority | None = None
    gives: Literal["fields", "event"] = "fields"
    is_ordered: bool = False

    def __post_init__(self) -> None:
        if not _EVENT_TYPE.fullmatch(self.event):
            raise PluginError(
                f"{self.event!r} is no event type.", hint="Write it as contact.created, or contact.* for all of them."
            )

    @property
    def condition(self) -> str | None:
        """The condition as an SQL/JSON path."""
        return condition_of(self.when)


def condition_of(when: Mapping[str, object] | str | None) -> str | None:
    """A condition as an SQL/JSON path; None: always."""
    if when is None or isinstance(when, str):
        return when
    return " && ".join(_one_of(name, value) for name, value in when.items()) or None


def _one_of(name: str, value: object) -> str:
    values = value if isinstance(value, tuple | list) else (value,)
    equal = [f"$.{json.dumps(name)} == {_literal(name, one)}" for one in values]
    return f"({' || '.join(equal)})"


def _literal(name: str, value: object) -> str:
    if value is None or isinstance(value, str | int | float | bool):
        return json.dumps(value)
    raise PluginError(
        f"The condition on {name} compares with {value!r}.", hint="Compare with a text, a number, true, false or null."
    )
