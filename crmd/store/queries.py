"""Statements live in .sql files; this loads a folder of them, one attribute a file."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from crmd.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Queries:
    """The statements of one package: `queries/claim.sql` is `queries.claim`.

    Args:
        package: Import name of the package whose `queries/` folder holds the files.
    """

    def __init__(self, package: str) -> None:
        folder = resources.files(package) / "queries"
        if not folder.is_dir():
            raise PluginError(f"The package {package} has no folder queries/.", hint="Add it, or don't load it.")
        self._package = package
        self._texts = {
            entry.name.removesuffix(".sql"): entry.read_text("utf-8")
            for entry in folder.iterdir()
            if entry.name.endswith(".sql")
        }

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"{self._package} has no queries/{name}.sql") from None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Names and texts, sorted by name."""
        return iter(sorted(self._texts.items()))


@cache
def load_queries(package: str) -> Queries:
    """The statements in the folder `queries/` of `package`, read once.

    Raises:
        PluginError: The package has no such folder.
    """
    return Queries(package)
