"""Whether the time of a refusal tells what is wrong with a key: the id, or the secret of an id that is there.

Both kinds are tried in random order, since a machine's pace changes from second to second.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from crmd.composition import opened
from crmd.config.loading import Config
from crmd.config.settings import Database, Plugins
from crmd.secret import Secret
from crmd.store import api_keys
from crmd.store.api_keys import NewKey
from crmd.testing.databases import TestServer

if TYPE_CHECKING:
    from crmd.store.pools import Pool

TRIES = 10_000
IDS = 100
KEPT = 0.9  # the slowest tell of the machine's pauses
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


async def tried(pool: Pool) -> dict[str, list[float]]:
    """The seconds that each refusal took, ascending."""
    chance = random.Random(7)  # noqa: S311 - an order, no secret
    keys = [
        await api_keys.create(pool, NewKey(client=f"c{n}", scopes=("read",), created_by="bench")) for n in range(IDS)
    ]
    ids = [key.split("_")[1] for key in keys]
    found: dict[str, list[float]] = {"unknown id": [], "wrong secret": []}
    for _ in range(2 * TRIES):
        kind = chance.choice(tuple(found))
        key_id = (
            chance.choice(ids) if kind == "wrong secret" else "".join(chance.choices(LETTERS, k=api_keys.ID_LENGTH))
        )
        text = f"crmd_{key_id}_{'x' * 43}"
        began = time.perf_counter()
        await api_keys.holder(pool, text)
        found[kind].append(time.perf_counter() - began)
    return {kind: sorted(times)[: int(len(times) * KEPT)] for kind, times in found.items()}


async def main() -> None:
    """Print the median of both, and how many standard errors their means are apart."""
    with TestServer() as server, tempfile.TemporaryDirectory() as folder:
        name = await server.create()
        database = Database(dsn=Secret(server.dsn(name)))
        config = Config(state_dir=Path(folder), database=database, plugins=Plugins(enabled=()))
        async with opened(config, entries={}) as everything:
            found = await tried(everything.pools.plugins)
        await server.drop(name)
    for kind, times in found.items():
        sys.stdout.write(f"{kind:12} {len(times):,} tries, median {statistics.median(times) * 1e6:.1f} us\n")
    first, second = found.values()
    error = (statistics.variance(first) / len(first) + statistics.variance(second) / len(second)) ** 0.5
    apart = (statistics.mean(first) - statistics.mean(second)) / error
    sys.stdout.write(f"their means are {apart:+.1f} standard errors apart\n")


if __name__ == "__main__":
    asyncio.run(main())
