"""The two kinds of work that share a queue's slots: jobs that need no key, and jobs in lanes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

# A kind of which there was no work is looked for this often while the other takes all slots; twice as seldom after each
# look in vain, since a look is time in which nothing is claimed.
LOOK_SECONDS = 0.02
LOOK_SECONDS_MAX = 0.1


@dataclass(slots=True)
class Source:
    """One kind of work.

    Args:
        claim: Claims up to so many for a daemon; answers how many.
        is_busy: Whether there was work the last time.
        found_at: When there was work the last time; monotonic.
        rests_until: With nothing found, while the other kind is busy; monotonic.
        rest_seconds: How long it rests the next time.
    """

    claim: Callable[[int, UUID], Awaitable[int]]
    is_busy: bool = False
    found_at: float = float("-inf")
    rests_until: float = float("-inf")
    rest_seconds: float = LOOK_SECONDS


async def claim_from(sources: Sequence[Source], wanted: int, daemon_id: UUID, now: float) -> int:
    """Claim from the sources in turn; those that were without work first, as far as it is time to look.

    With none at work, the one that was last comes first: a wake-up is most likely about that kind, and starts its job
    one look sooner.
    While both have work, the first in turn gets half: whoever calls turns their order each time, so that with a single
    slot to give each gets every other one.
    """
    busy = [source for source in sources if source.is_busy]
    idle = [one for one in sources if not one.is_busy and (not busy or now >= one.rests_until)]
    order = [*(idle if busy else sorted(idle, key=lambda one: -one.found_at)), *busy]
    found = 0
    for place, source in enumerate(order, 1):
        left = wanted - found
        if left == 0:
            break
        if found and not busy:  # those few start before we ask for more
            await anyio.lowlevel.checkpoint()
        share = left if place == len(order) or not busy else -(-left // 2)
        got = await source.claim(share, daemon_id)
        source.is_busy, source.rests_until = got > 0, now + source.rest_seconds
        source.found_at = now if got else source.found_at
        source.rest_seconds = LOOK_SECONDS if got else min(2 * source.rest_seconds, LOOK_SECONDS_MAX)
        found += got
    return found
