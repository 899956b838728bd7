"""What is made of measured values: medians, ratios to what was measured in the same round, and the bar."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Values: TypeAlias = dict[str, float]
    Round: TypeAlias = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        value: Which value of which figure, as `drain.rate`.
        title: What it is.
        unit: As `/s`; nothing for a mere number.
        than: The value of the same round that it is divided by; None: it is not.
        least: What that ratio has to reach, or the value itself.
        most: What the value may not exceed.
        digits: Behind the point.
    """

    value: str
    title: str
    unit: str = "/s"
    than: str | None = None
    least: float | None = None
    most: float | None = None
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A row that was measured.

    Attributes:
        row: What was asked.
        value: The median of all rounds.
        ratio: The median of the rounds' ratios; None where nothing is divided.
        spread: The least and the most of all rounds.
    """

    row: Row
    value: float
    ratio: float | None
    spread: tuple[float, float]

    @property
    def is_reached(self) -> bool | None:
        """Whether the bar is; None where there is none."""
        if self.row.most is not None:
            return self.value <= self.row.most
        return None if self.row.least is None else self._judged >= self.row.least

    @property
    def share(self) -> float | None:
        """How good it is where 1 is just enough and more is better; None where there is no bar."""
        if self.row.most is not None:
            return self.row.most / max(self.value, self.row.most / 100)
        return None if self.row.least is None else self._judged / self.row.least

    @property
    def _judged(self) -> float:
        return self.value if self.ratio is None else self.ratio


def lines_of(rows: Sequence[Row], rounds: Sequence[Round]) -> list[Line]:
    """The rows of which there are values, in their order."""
    return [line for row in rows if (line := _line(row, rounds)) is not None]


def _line(row: Row, rounds: Sequence[Round]) -> Line | None:
    found = [(value, look_up(one, row.than)) for one in rounds if (value := look_up(one, row.value)) is not None]
    if not found:
        return None
    values = [value for value, _ in found]
    ratios = [value / than for value, than in found if than]
    ratio = statistics.median(ratios) if ratios else None
    return Line(row, statistics.median(values), ratio, (min(values), max(values)))


def look_up(one: Round, name: str | None) -> float | None:
    """The value of a round by its name, as `drain.rate`."""
    if name is None:
        return None
    figure, _, key = name.partition(".")
    return one.get(figure, {}).get(key)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that so large a share of the ordered ones does not exceed."""
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
