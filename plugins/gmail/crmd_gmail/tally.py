"""What syncing some messages came to, in numbers that add up over children."""

from __future__ import annotations

import msgspec


class Tally(msgspec.Struct, frozen=True, rename="camel"):
    """Numbers of messages: new, changed, alike, put in quarantine, and no longer at the provider."""

    stored: int = 0
    updated: int = 0
    unchanged: int = 0
    quarantined: int = 0
    gone: int = 0

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.stored + other.stored,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.quarantined + other.quarantined,
            self.gone + other.gone,
        )
