"""What a sync of changes did, and what it keeps between two attempts."""

from __future__ import annotations

from typing import Literal

import msgspec

from crmd_gmail.tally import Tally


class Synced(msgspec.Struct, frozen=True, rename="camel"):
    """What was done: by `history`, by `resync` when the cursor was too old, or `initial`: a first sync was begun.

    The numbers are messages: new, changed as a whole, alike, put in quarantine, no longer at the provider, and given
    other labels or another read state.
    """

    by: Literal["history", "resync", "initial"] = "history"
    stored: int = 0
    updated: int = 0
    unchanged: int = 0
    quarantined: int = 0
    gone: int = 0
    relabelled: int = 0

    @property
    def tally(self) -> Tally:
        """The numbers that storing adds to."""
        return Tally(self.stored, self.updated, self.unchanged, self.quarantined, self.gone)

    def having(self, tally: Tally, *, gone: int = 0, relabelled: int = 0) -> Synced:
        """The same with this tally, and some more messages removed and relabelled."""
        return Synced(
            self.by,
            tally.stored,
            tally.updated,
            tally.unchanged,
            tally.quarantined,
            tally.gone + gone,
            self.relabelled + relabelled,
        )


class Span(msgspec.Struct, frozen=True):
    """How far a resync is: it goes back in time span by span, and through each in the order of ids.

    Attributes:
        cursor: The one that the provider no longer knows.
        history_id: The mailbox's newest change before the resync began; the cursor after it.
        since: Where it ends, epoch seconds.
        until: End of the span at work, epoch seconds; None for the first, which has none.
        begins: Start of the span at work.
        last_id: Everything up to this id is done in the span.
    """

    cursor: str
    history_id: int
    since: int
    begins: int
    until: int | None = None
    last_id: str = ""


class Kept(msgspec.Struct, frozen=True):
    """The checkpoint."""

    done: Synced = Synced()
    span: Span | None = None
