"""The plugin's word lists: one file per list under `lexicon/`, one entry per line, `#` for comments."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def words(name: str) -> frozenset[str]:
    """The entries of the list `name`, read once.

    Raises:
        FileNotFoundError: the package was built without that list.
    """
    text = (files("crmd_contacts") / "lexicon" / f"{name}.txt").read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))
