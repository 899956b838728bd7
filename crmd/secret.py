"""A value that must never be printed: a password, a token, a key.

Invariant: `repr`, `str`, formatting and pickling never show the value, so that a log line, a traceback or an error
text made by accident cannot hold it. The one way to it is `reveal()`, which is easy to search for.
"""

from __future__ import annotations

import hmac
from typing import Never

MASK = "********"


class Secret:
    """Holds a secret text; compare with `==` in constant time, read with `reveal()`.

    Args:
        text: The secret itself.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself, for the one call that needs it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __reduce__(self) -> Never:
        raise TypeError("A secret is not pickled; pass it by hand where it must cross a process.")
