"""What every folder of tests shares: property tests without a deadline, reports that any process can be sent."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from crmd.log.setup import HANDLER_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

pytest_plugins = ["web_fixtures"]

# A loaded machine is slow without being wrong.
settings.register_profile("crmd", deadline=None)
settings.load_profile("crmd")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command under test sets logging up for its process; the next test finds it as it was."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in [one for one in root.handlers if one.name == HANDLER_NAME]:
        root.removeHandler(handler)
        handler.close()
    logging.captureWarnings(capture=False)


@pytest.fixture(scope="session")
def corpus() -> Callable[[str], list[Path]]:
    """The real messages matching a glob, beside the checkout or in $CRMD_TEST_DATA; skips where they aren't."""
    folder = Path(os.environ.get("CRMD_TEST_DATA", Path(__file__).parents[1] / "shared" / "data"))

    def find(pattern: str) -> list[Path]:
        files = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not files:
            pytest.skip(f"no real mail under {folder}; CRMD_TEST_DATA names its folder")
        return files

    return find


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests begin first, so that no worker is left alone with one in the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


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
