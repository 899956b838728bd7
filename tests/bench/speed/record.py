"""The JSON: the machine, the settings, every value of every round, and what was made of them."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import crmd
from speed.cluster import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speed.database import Ground
    from speed.figure import Line

GIBIBYTE = 2**30


def machine() -> dict[str, Any]:
    """Where it was measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processors": os.cpu_count(),
        "model": _processor(),
        "memory_gib": round(memory / GIBIBYTE, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def about(ground: Ground) -> dict[str, Any]:
    """What has to be known of a run to judge its figures."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "crmd": crmd.__version__,
        "machine": machine(),
        "servers": {str(major): cluster.binaries.version for major, cluster in ground.clusters.items()},
        "settings": dict(SETTINGS),
    }


def written(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The table's lines."""
    return [
        {
            "figure": line.row.value,
            "title": line.row.title,
            "median": line.value,
            "least": line.spread[0],
            "most": line.spread[1],
            "unit": line.row.unit,
            "ratio": line.ratio,
            "ratio_to": line.row.than,
            "must": line.row.least if line.row.most is None else line.row.most,
            "is_reached": line.is_reached,
        }
        for line in lines
    ]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Keep it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
