"""What the jobs of each plugin did to this daemon since it was last written down, by the plugin's name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

TEXT_MAX = 500
CLASSES_MAX = 50


@dataclass(slots=True)
class Account:
    """One plugin's; the fields are those of crmd.blame."""

    stalls: int = 0
    stall_seconds: float = 0.0
    stall_place: str | None = None
    errors: Counter[str] = field(default_factory=Counter)
    crashes: int = 0
    crash_reason: str | None = None
    abandoned: int = 0
    held: int = 0
    held_seconds: float = 0.0
    memory_mib: int = 0
    growth_mib: int = 0


@dataclass(frozen=True, slots=True)
class Crash:
    """A process of a job that ended without an outcome."""

    plugin: str
    job_id: UUID
    reason: str


class Blame:
    """The accounts that are not written yet, and what decides about a quarantine. Used from the loop's thread alone."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self.crashes: list[Crash] = []
        self.survivors: list[tuple[str, UUID]] = []

    def stalled(self, plugin: str, seconds: float, place: str) -> None:
        """A job of it held up the loop."""
        account = self._of(plugin)
        account.stalls += 1
        account.stall_seconds = max(account.stall_seconds, seconds)
        account.stall_place = place[:TEXT_MAX]

    def failed(self, plugin: str, name: str) -> None:
        """An attempt ended with an error of that class."""
        errors = self._of(plugin).errors
        if name in errors or len(errors) < CLASSES_MAX:
            errors[name] += 1

    def crashed(self, plugin: str, job_id: UUID, reason: str) -> None:
        """A process of one of its jobs died."""
        account = self._of(plugin)
        account.crashes += 1
        account.crash_reason = reason[:TEXT_MAX]
        self.crashes.append(Crash(plugin, job_id, reason[:TEXT_MAX]))

    def survived(self, plugin: str, job_id: UUID) -> None:
        """A suspect of it came through."""
        self.survivors.append((plugin, job_id))

    def abandoned(self, plugin: str) -> None:
        """A job of it did not let itself be cancelled."""
        self._of(plugin).abandoned += 1

    def held(self, plugin: str, seconds: float) -> None:
        """A job of it kept a database connection for that long."""
        account = self._of(plugin)
        account.held += 1
        account.held_seconds = max(account.held_seconds, seconds)

    def used(self, plugin: str, mib: int) -> None:
        """A process of it took so much memory at the most."""
        account = self._of(plugin)
        account.memory_mib = max(account.memory_mib, mib)

    def grew(self, plugin: str, mib: int) -> None:
        """The daemon took so much more memory while only jobs of this plugin ran."""
        account = self._of(plugin)
        account.growth_mib = max(account.growth_mib, mib)

    def take(self) -> list[dict[str, Any]]:
        """What is to be written; the accounts begin anew."""
        taken, self._accounts = self._accounts, {}
        return [{"plugin": plugin, **_row(account)} for plugin, account in taken.items()]

    def _of(self, plugin: str) -> Account:
        account = self._accounts.get(plugin)
        if account is None:
            account = self._accounts[plugin] = Account()
        return account


def _row(account: Account) -> dict[str, Any]:
    names = Account.__slots__
    return {name: dict(value) if isinstance(value := getattr(account, name), Counter) else value for name in names}
