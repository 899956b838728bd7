"""What every folder of tests shares: property tests without a deadline, reports that any process can be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator

# A loaded machine is slow without being wrong.
settings.register_profile("crmd", deadline=None)
settings.load_profile("crmd")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """A test of hostile text logs lone surrogates, which no pipe between processes takes."""
    return encodable((yield))


def encodable(value: Any) -> Any:  # noqa: ANN401 - a report is nested data of any shape
    """The same data, what cannot be encoded written as an escape."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {encodable(key): encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([encodable(item) for item in value])
    return value
