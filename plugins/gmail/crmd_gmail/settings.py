"""The table `[plugins.gmail]`: what calls cost, how much is asked for at once, how far back a sync reaches."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

import crmd

DECLARED_UNITS_PER_MINUTE = 15_000
"""The rate that the provider is declared with; the bucket of every account holds that much."""

Method = Literal["messages_get", "messages_list", "history_list", "profile_get"]
_Units = Annotated[int, Meta(ge=0, le=1_000)]


class Units(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Quota units of each call, `[plugins.gmail.units]`. Projects made after April 2026 pay 20 for messages_get."""

    messages_get: _Units = 5
    messages_list: _Units = 5
    history_list: _Units = 2
    profile_get: _Units = 1


class GmailSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How Gmail is synced.

    Args:
        units_per_minute: Quota units an account may spend; 6,000 for projects made after April 2026.
        units: What each call costs.
        batch_max: Messages asked for in one batch call; Google refuses more than 100 and advises against more than 50.
        page_max: Ids and history records asked for in one page; Google gives 500 at the most.
        initial_days: How far back the first sync reaches when its payload names no start.
        resync_days: How far back a mailbox is compared again when Google no longer knows our place in its history.
        fresh_minutes: A mailbox that was synced this recently is left out of a round.
        message_bytes_max: Larger messages are put in quarantine.
        text_chars_max: Of a message's text and of its HTML as many characters are kept.
        pause_seconds: Before failed parts of a batch are asked for again; doubled each time.
    """

    units_per_minute: Annotated[int, Meta(ge=1)] = DECLARED_UNITS_PER_MINUTE
    units: Units = Units()
    batch_max: Annotated[int, Meta(ge=1, le=100)] = 50
    page_max: Annotated[int, Meta(ge=1, le=500)] = 500
    initial_days: Annotated[int, Meta(ge=1, le=36_500)] = 730
    resync_days: Annotated[int, Meta(ge=1, le=36_500)] = 730
    fresh_minutes: Annotated[float, Meta(ge=0)] = 10.0
    message_bytes_max: Annotated[int, Meta(ge=1_000, le=48 * 1024 * 1024)] = 35 * 1024 * 1024
    text_chars_max: Annotated[int, Meta(ge=1_000)] = 512 * 1024
    pause_seconds: Annotated[float, Meta(gt=0, le=60)] = 1.0

    def cost(self, method: Method, count: int = 1) -> float:
        """What `count` calls draw from the account's bucket.

        The bucket holds the declared rate, so an account with a smaller quota pays more for each call instead.
        """
        units: int = getattr(self.units, method)
        return count * units * DECLARED_UNITS_PER_MINUTE / self.units_per_minute

    def backoff(self) -> crmd.Backoff:
        """The pauses between the rounds of one batch."""
        return crmd.Backoff(first_seconds=self.pause_seconds, factor=2.0, cap_seconds=60.0)
