"""Payloads that do not fit, made from one that does. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crmd.job_type import JobType

UNKNOWN = "noSuchField"


def spoilt(job_type: JobType, payload: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each with the name of the field that is wrong, as on the wire."""
    yield UNKNOWN, {**payload, UNKNOWN: 1}
    for field in msgspec.structs.fields(job_type.payload_type):
        name = field.encode_name
        if field.required:
            yield name, {key: value for key, value in payload.items() if key != name}
        yield from ((name, {**payload, name: wrong}) for wrong in _wrong(payload.get(name)))


def _wrong(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
    """Values unlike this one; what can be emptied is emptied, since that fits many a loose type."""
    match value:
        case bool() | int() | float():
            return ["seventeen"]
        case dict() | list():
            return [type(value)(), 17]
        case _:
            return [17, ["no", "text"]]
