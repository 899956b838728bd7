"""Grades of plugins: which one counts for what is installed, of those that were found here and for the release."""

from __future__ import annotations

import functools
from datetime import datetime
from importlib import resources
from typing import Literal

import msgspec

Grade = Literal["none", "bronze", "silver", "gold", "platinum"]


class Graded(msgspec.Struct, frozen=True, kw_only=True):
    """What `crmd plugin check` found.

    Attributes:
        plugin: Its name.
        distribution: Name and version of what was run; it says nothing about another version.
        grade: The highest of which every rule holds.
        checked_at: When it was run.
    """

    plugin: str
    distribution: str
    grade: Grade
    checked_at: datetime


@functools.cache
def released() -> dict[str, Graded]:
    """The grades of the built-in plugins, as this release was made; `make grades` writes them."""
    text = (resources.files("crmd") / "released_grades.json").read_bytes()
    return {one.plugin: one for one in msgspec.json.decode(text, type=list[Graded])}


def counting(distribution: str, found: list[Graded]) -> Graded | None:
    """The newest grade of what is installed; of another version if there is no other."""
    return max(found, key=lambda one: (one.distribution == distribution, one.checked_at), default=None)
