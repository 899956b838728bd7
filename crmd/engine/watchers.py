"""Who wants to hear at once which jobs change here: the streams of this daemon, and those of others.

While nobody does, it costs those who would tell one `if`. A word is a hint: whoever watches also looks by itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol
from uuid import UUID, uuid4

import anyio

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from crmd.engine.run import Run

WORD = "!live "
"""Begins a wake-up that names changed jobs, in 32 digits each; `*`: more than fit."""
# Of jobs that change together; beyond it a look finds them sooner than words.
TOLD_MAX = 500
# A NOTIFY holds less than 8000 bytes.
SENT_MAX = 240
# What is known of others holds until the pulse should have beaten a few times.
KNOWN_SECONDS = 5.0


class Hearer(Protocol):
    """Streams of this daemon."""

    def watches(self, workspace_id: UUID | None) -> bool:
        """Whether jobs of this workspace are watched."""

    def words(self, job_ids: Iterable[UUID]) -> None:
        """These have changed."""

    def look_soon(self) -> None:
        """Something has changed."""


class Watchers:
    """Passes words on.

    Attributes:
        id: Of this process, random per start.
        is_on: Whether anybody watches anything.
        arrived: Set while there is something to be told to other daemons.
    """

    __slots__ = ("_are_many", "_everywhere", "_here", "_known_until", "_sent", "_workspaces", "arrived", "id", "is_on")

    def __init__(self) -> None:
        self.id = uuid4()
        self.is_on = False
        self.arrived = anyio.Event()
        self._here: Hearer | None = None
        self._workspaces: frozenset[UUID] = frozenset()
        self._everywhere = False
        self._known_until = 0.0
        self._sent: set[UUID] = set()
        self._are_many = False

    def begin(self, hearer: Hearer) -> None:
        """There are streams here."""
        self._here = hearer
        self._switch()

    def end(self) -> None:
        """There are none here any more."""
        self._here = None
        self._switch()

    def elsewhere(self, watched: Iterable[Collection[UUID] | None]) -> None:
        """Other daemons have streams of these workspaces; None among them: of all."""
        watched = list(watched)
        self._everywhere = None in watched
        self._workspaces = frozenset(workspace_id for one in watched for workspace_id in one or ())
        self._known_until = time.monotonic() + KNOWN_SECONDS
        self._switch()

    def tell(self, runs: Collection[Run]) -> None:
        """These jobs have begun, come further or ended here."""
        if len(runs) > TOLD_MAX:
            self._tell_of_many()
            return
        for run in runs:
            self.changed(run.row["workspace_id"], run.token.id)

    def changed(self, workspace_id: UUID | None, job_id: UUID) -> None:
        """Something became of a job."""
        if self._here is not None and self._here.watches(workspace_id):
            self._here.words((job_id,))
        if self._are_elsewhere and (self._everywhere or workspace_id in self._workspaces):
            self._sent.add(job_id)
            self.arrived.set()

    def heard(self, word: str) -> bool:
        """Whether a wake-up is one that `take` gave at another daemon; then whoever watches here is told."""
        if not word.startswith(WORD):
            return False
        if self._here is not None:
            try:
                self._here.words([UUID(hex=text) for text in word.removeprefix(WORD).split()])
            except ValueError:
                self._here.look_soon()
        return True

    def take(self) -> str:
        """What is to be told to other daemons, in one word; and begin the next."""
        ids, self._sent = self._sent, set()
        is_more, self._are_many = self._are_many or len(ids) > SENT_MAX, False
        self.arrived = anyio.Event()
        return WORD + ("*" if is_more else " ".join(job_id.hex for job_id in ids))

    def _tell_of_many(self) -> None:
        if self._here is not None:
            self._here.look_soon()
        if self._are_elsewhere:
            self._are_many = True
            self.arrived.set()

    @property
    def _are_elsewhere(self) -> bool:
        if self._known_until and time.monotonic() > self._known_until:
            self._known_until, self._everywhere, self._workspaces = 0.0, False, frozenset()
            self._switch()
        return bool(self._known_until)

    def _switch(self) -> None:
        self.is_on = self._here is not None or self._everywhere or bool(self._workspaces)
