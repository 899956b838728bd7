"""What a step keeps: JSON within a bound, read again as the type that the step's function declares."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from crmd.errors import FailJob
from crmd.stored_text import RESULT_BYTES_MAX, encode_json

if TYPE_CHECKING:
    from collections.abc import Callable


def encode_kept(name: str, value: object) -> bytes:
    """JSON of what a step answered.

    Raises:
        FailJob: It has no JSON form, or is beyond 256 KiB.
    """
    try:
        data = encode_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise FailJob(f"What step {name!r} answered has no JSON form: {error}.") from error
    if len(data) > RESULT_BYTES_MAX:
        raise FailJob(
            f"What step {name!r} answered has {len(data):,} bytes; {RESULT_BYTES_MAX:,} are the most. "
            "Store the data and answer its id."
        )
    return data


def decode_kept(name: str, data: str | bytes, kind: Any) -> Any:  # noqa: ANN401 - any annotation, and what it stands for
    """What a step answered. Also in the attempt that did the step, so that all attempts get the same.

    Raises:
        FailJob: It does not fit the type.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.ValidationError, TypeError) as error:
        raise FailJob(f"What step {name!r} answered does not fit the type of its result: {error}.") from error


def returned_type(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - any annotation
    """The return annotation of a function; `Any` without one.

    Raises:
        FailJob: It names what only type checkers import.
    """
    while isinstance(function, functools.partial):
        function = function.func
    annotation = getattr(inspect.unwrap(function), "__annotations__", {}).get("return", Any)
    if not isinstance(annotation, str):
        return annotation
    try:
        module = sys.modules[function.__module__]
        return eval(annotation, vars(module))  # noqa: S307 - the plugin's own source, which runs anyway
    except (NameError, AttributeError, TypeError) as error:
        raise FailJob(
            f"The result type of {function.__qualname__} cannot be read: {error}. Give the step type=…, or import the "
            "name outside TYPE_CHECKING."
        ) from error
