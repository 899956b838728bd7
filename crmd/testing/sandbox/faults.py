"""Faults that a fake provider shows on purpose: scripted for one test, or seeded for a storm."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import anyio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd.testing.sandbox.exchange import Call

Where = Literal["any", "request", "part"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing going wrong.

    A fault with a status is answered instead of the call, which then has no effect, unless `has_happened` says that it
    took place all the same; one without lets the call happen and spoils its delivery: late, held until
    `FaultPlan.release`, cut after some bytes, or with broken JSON.
    """

    status: int | None = None
    reason: str = ""
    message: str = ""
    retry_after: str | None = None
    delay_seconds: float = 0.0
    is_held: bool = False
    cut_after_bytes: int | None = None
    is_malformed: bool = False
    has_happened: bool = False


def rate_limited(retry_after: str | None = None) -> Fault:
    """Give a 429; `retry_after` is sent as it is: seconds or an HTTP date."""
    return Fault(429, "rateLimitExceeded", "Too many requests.", retry_after)


def quota_exceeded(reason: str = "rateLimitExceeded") -> Fault:
    """Give the 403 that is temporary (`rateLimitExceeded`, `userRateLimitExceeded`) or not (`dailyLimitExceeded`)."""
    return Fault(403, reason, "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'.")


def server_error(status: int = 503) -> Fault:
    """Give a fault of the provider's own."""
    return Fault(status, "backendError", "The service is currently unavailable.")


def lost_answer(status: int = 504) -> Fault:
    """Let the call happen and answer as a gateway does that lost sight of it."""
    return Fault(status, "gatewayTimeout", "The gateway did not get an answer in time.", has_happened=True)


def unauthorized() -> Fault:
    """Give the 401 of a token that was good a moment ago."""
    return Fault(401, "authError", "Invalid Credentials")


def slow(seconds: float) -> Fault:
    """Give the right answer, late."""
    return Fault(delay_seconds=seconds)


def held() -> Fault:
    """Give the right answer only after `FaultPlan.release`, so that a test needs no sleep."""
    return Fault(is_held=True)


def cut(after_bytes: int = 16) -> Fault:
    """Let the call happen and drop the connection in the middle of its answer."""
    return Fault(cut_after_bytes=after_bytes)


def malformed_json() -> Fault:
    """Let the call happen and break the JSON of its answer."""
    return Fault(is_malformed=True)


@dataclass(frozen=True, slots=True)
class _Planned:
    fault: Fault
    path: re.Pattern[str]
    method: str | None
    where: Where
    skips_left: int

    def fits(self, call: Call) -> bool:
        """Say whether this fault is meant for the call."""
        if self.where != "any" and (self.where == "part") != call.in_batch:
            return False
        return self.method in {None, call.method} and self.path.search(call.path) is not None


class FaultPlan:
    """The faults still to come; each is shown once, to the first call that it fits."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._storm: tuple[random.Random, float, tuple[Fault, ...], re.Pattern[str]] | None = None
        self._released = anyio.Event()
        self._shown_count = 0
        self._shown = anyio.Event()

    def next(
        self,
        *faults: Fault,
        path: str = "",
        method: str | None = None,
        where: Where = "any",
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Plan faults for the next calls that fit.

        Args:
            faults: In the order they are shown.
            path: A regular expression searched in the call's path; empty fits every call.
            method: Only calls of this method.
            where: Only whole requests, only parts of a batch, or both.
            times: How often the whole row of faults is shown.
            skip: How many fitting calls go through unharmed before the first fault.
        """
        pattern = re.compile(path)
        for index, fault in enumerate(faults * times):
            self._planned.append(_Planned(fault, pattern, method, where, skip if index == 0 else 0))

    def storm(self, seed: int, rate: float, faults: Sequence[Fault], path: str = "") -> None:
        """Spoil this share of all calls that fit (0 to 1) with faults drawn by a seed; `rate=0` ends it."""
        dice = random.Random(seed)  # noqa: S311 - a repeatable storm, not a secret
        self._storm = (dice, rate, tuple(faults), re.compile(path))

    def take(self, call: Call) -> Fault | None:
        """Give the fault meant for this call and cross it out."""
        for index, planned in enumerate(self._planned):
            if not planned.fits(call):
                continue
            if planned.skips_left:
                self._planned[index] = replace(planned, skips_left=planned.skips_left - 1)
                return None
            del self._planned[index]
            self._count_shown()
            return planned.fault
        return self._from_storm(call)

    def _from_storm(self, call: Call) -> Fault | None:
        if self._storm is None:
            return None
        dice, rate, faults, path = self._storm
        if not path.search(call.path) or dice.random() >= rate:
            return None
        return dice.choice(faults)

    def left(self) -> int:
        """Give how many planned faults were not shown yet."""
        return len(self._planned)

    def _count_shown(self) -> None:
        self._shown_count += 1
        self._shown.set()
        self._shown = anyio.Event()

    async def shown(self, count: int) -> None:
        """Wait until so many planned faults were taken in all."""
        while self._shown_count < count:
            await self._shown.wait()

    def release(self) -> None:
        """Let every held answer go; answers held later wait for the next release."""
        self._released.set()
        self._released = anyio.Event()

    async def released(self) -> None:
        """Wait for the next release."""
        await self._released.wait()
