"""What processes have used: processor seconds and resident memory, of a process with all that it has started."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/PID/stat behind the name, which ends with the last ")": see proc(5), less 3.
_PARENT = 1
_TIMES = slice(11, 15)
_RESIDENT = 21


def processor_seconds(pid: int) -> float:
    """Of a process and those below it; those that have ended count as their parent's, once it knows of their end."""
    return sum(sum(int(word) for word in fields[_TIMES]) for fields in _tree(pid)) / _TICKS


def resident_bytes(pid: int) -> int:
    """Of a process and those below it, shared pages counted for each."""
    return sum(int(fields[_RESIDENT]) for fields in _tree(pid)) * _PAGE


def _tree(pid: int) -> list[list[str]]:
    every = {int(path.name): fields for path in Path("/proc").glob("[0-9]*") if (fields := _stat(path)) is not None}
    wanted, found = [pid], []
    while wanted:
        one = wanted.pop()
        if one in every:
            found.append(every[one])
            wanted += [child for child, fields in every.items() if int(fields[_PARENT]) == one]
    return found


def _stat(folder: Path) -> list[str] | None:
    try:
        text = (folder / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return None
    return text.rpartition(")")[2].split()
