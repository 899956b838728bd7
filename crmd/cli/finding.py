"""One finding of `crmd doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it.

    Args:
        about: A word or two.
        state: `warning` works for now, `broken` does not.
        found: One sentence.
        fix: The next step; empty when all is well.
    """

    about: str
    state: Literal["ok", "warning", "broken"]
    found: str
    fix: str = ""
