"""Lets the one error that a task group wrapped leave as itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def lone_error() -> Iterator[None]:
    """Around a task group: a group of one error is raised as that error; a group of several stays a group."""
    try:
        yield
    except BaseExceptionGroup as many:
        error: BaseException = many
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None
