"""Whose turn it is: the lanes of a queue that have work, in fair order. Pure: rows and times come in, a plan goes out.

Whoever owns lanes (a workspace; a lane of no workspace owns itself) takes turns with the other owners, and the lanes of
one owner with each other; see `crmd.fair_line`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from crmd.fair_line import FairLine

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

ROUND_SECONDS = 1.0
URGENT_SECONDS = 0.05
# A claim visits about so many lanes: with more slots than that each gets several jobs at a turn. With fewer lanes the
# turns are shorter and come round more often, so that even a small limit that all share is shared by turns.
LANES_PER_CLAIM = 48
# No turn is longer than so many times what any lane was granted last: where a limit leaves each a few jobs,
# a claim for many slots asks more lanes for less.
GRANTED_SHARE = 2
# So many times the free slots are asked for, and a few, since a lane may have less work or room than its turn.
ASKED_SHARE = 2
ASKED_MORE = 8
TURNS_MAX = 256
# With more lanes than this, one that was served goes to the back of the round instead of being remembered.
LANES_KNOWN_MAX = 20_000


class Turn(NamedTuple):
    """What became of a lane's turn: how many it could have (-1: a key of it is full or closed), and how many it got."""

    granted: int
    got: int


class Turns:
    """The lanes of one queue as one claimer knows them, from claim to claim.

    Attributes:
        after: The lane behind which the next look begins.
        after_urgent: The same of the next look for critical work.
        wait_seconds: Until the first job of a lane without due work is due, by the last round.
    """

    def __init__(self) -> None:
        self._urgent_credit = 1.0
        self.wait_seconds = float("inf")
        self.forget()

    def forget(self) -> None:
        """Begin anew: what is known no longer holds, because of a pause, or of a claim that failed."""
        self._owner_of: dict[str, str] = {}
        self._owners = FairLine()
        self._lanes: dict[str, FairLine] = {}  # of each owner
        self._resting: dict[str, None] = {}
        self._urgent: list[str] = []
        self._played_owners: dict[str, float] = {}
        self._played_lanes: dict[str, float] = {}
        self._granted_most = float("inf")
        self.after = self.after_urgent = ""
        self.wake()

    def wake(self) -> None:
        """Begin a new round with the next claim; lanes that rest have their turn again."""
        self._round_began = self._urgent_looked = float("-inf")
        self._is_round_over = True

    def begin(self, now: float) -> None:
        """Open a new round if the last one is over, and is old or has left few lanes with work."""
        is_old = now >= self._round_began + ROUND_SECONDS
        if not self._is_round_over or not (is_old or self._active < LANES_PER_CLAIM):
            return
        if is_old:
            for lane in list(self._resting):
                self.freed(lane)
        self._round_began = now
        self._is_round_over, self.after, self.wait_seconds = False, "", float("inf")

    @property
    def is_looking(self) -> bool:
        """Whether the round goes on with another look."""
        return not self._is_round_over and self._active < LANES_KNOWN_MAX

    @property
    def _active(self) -> int:
        return len(self._owner_of) - len(self._resting)

    def see(self, found: Sequence[Any], looked_for: int, paused: Container[str]) -> None:
        """Take in the next lanes of the round; fewer than were looked for are the last. Who is paused is passed over.

        Args:
            found: Rows with lane, type, workspace_id, is_due and wait_seconds.
            looked_for: How many at the most.
            paused: Keys that rest.
        """
        self._is_round_over = len(found) < looked_for
        self.after = found[-1]["lane"] if found else ""
        self._take_in(found, paused)
        waits = [row["wait_seconds"] for row in found if row["wait_seconds"] > 0]
        self.wait_seconds = min([self.wait_seconds, *waits])

    def is_urgent_look_due(self, now: float) -> bool:
        """Whether it is time to look for critical work beside the round."""
        if now < self._urgent_looked + URGENT_SECONDS:
            return False
        self._urgent_looked = now
        return True

    def see_urgent(self, found: Sequence[Any], looked_for: int, paused: Container[str]) -> None:
        """Take in the next lanes that have critical work; those that begin with it are due."""
        self.after_urgent = found[-1]["lane"] if len(found) == looked_for else ""
        self._take_in(found, paused)
        self._urgent = [row["lane"] for row in found if row["is_due"] and row["lane"] in self._owner_of]

    def _take_in(self, found: Iterable[Any], paused: Container[str]) -> None:
        for row in found:
            lane = row["lane"]
            if row["is_due"] and lane not in self._owner_of and not is_paused(row, paused):
                owner = lane if row["workspace_id"] is None else f"workspace/{row['workspace_id']}"
                self._owner_of[lane] = owner
                self._join(lane, owner)

    def freed(self, lane: str) -> None:
        """A job of this lane has ended: if the lane rests, it need not any longer."""
        if lane in self._resting:
            del self._resting[lane]
            self._join(lane, self._owner_of[lane])

    def _join(self, lane: str, owner: str) -> None:
        if owner not in self._owners:
            self._owners.join(owner)
        self._lanes.setdefault(owner, FairLine()).join(lane)

    def _leave(self, lane: str) -> None:
        owner = self._owner_of[lane]
        self._lanes[owner].leave(lane)
        if not self._lanes[owner]:
            self._owners.leave(owner)

    def plan(self, slots: int, weights: Mapping[str, float], *, is_first: bool = True) -> list[tuple[str, int]]:
        """Whose turn it is: lanes in order, one more than once, each with how many jobs. To be settled before the next.

        Where turns are left over, lanes that rest have them in the first plan of a claim: whether they are still full
        is only known by asking.

        Args:
            slots: How many jobs the claimer can run.
            weights: By owner, where it is not 1.
            is_first: Of the plans of one claim.
        """
        most = slots * ASKED_SHARE + ASKED_MORE
        turn = -(-slots // LANES_PER_CLAIM) if self._active >= LANES_PER_CLAIM else -(-most // TURNS_MAX)
        turn = int(min(turn, GRANTED_SHARE * self._granted_most))
        turns = self._urgent_turns(slots, turn)
        left = most - sum(count for _, count in turns)
        while left > 0 and len(turns) < TURNS_MAX and (owner := self._owners.first()) is not None:
            turns.append((self._play(owner, turn, weights.get(owner, 1.0)), turn))
            left -= turn
        if is_first and left > 0:
            turns += [(lane, turn) for lane in islice(self._resting, -(-left // turn))]
        return turns

    def _urgent_turns(self, slots: int, turn: int) -> list[tuple[str, int]]:
        """Lanes that begin with critical work come first. Over time they have half of the slots at the most."""
        self._urgent_credit = min(self._urgent_credit + slots / 2, max(slots / 2, 1.0))
        turns = []
        known = [lane for lane in self._urgent if lane in self._owner_of]
        for lane in sorted(known, key=lambda lane: self._owners.passed(self._owner_of[lane])):
            wanted = min(turn, int(self._urgent_credit))
            if wanted:
                turns.append((lane, wanted))
                self._urgent_credit -= wanted
        self._urgent = []
        return turns

    def _play(self, owner: str, turn: int, weight: float) -> str:
        """Give the owner's next lane a turn, as if it had as much work as it is asked for."""
        lanes = self._lanes[owner]
        lane = lanes.first()
        assert lane is not None  # noqa: S101 - an owner leaves with its last lane
        self._played_owners.setdefault(owner, self._owners.passed(owner))
        self._played_lanes.setdefault(lane, lanes.passed(lane))
        self._owners.place(owner, self._owners.passed(owner) + turn / weight)
        lanes.place(lane, lanes.passed(lane) + turn)
        return lane

    def settle(self, outcomes: Mapping[str, Turn], weights: Mapping[str, float]) -> None:
        """Charge what the lanes really got instead of what the plan played.

        A lane that got less than it was granted has run dry, and is forgotten until it is seen again. One that was
        granted nothing, since a key of it is full or closed, rests.
        """
        played = self._charge_played(outcomes, weights)
        if granted := [turn.granted for turn in outcomes.values() if turn.granted > 0]:
            self._granted_most = max(granted)
        for lane, turn in outcomes.items():
            if lane not in self._owner_of:  # all was forgotten while the claim was under way
                continue
            if turn.granted < 0:
                self._rest(lane)
                continue
            self.freed(lane)
            if lane not in played:
                self._charge(lane, turn.got, weights)
            if turn.got < turn.granted or (turn.got and self._active >= LANES_KNOWN_MAX):
                self._leave(lane)
                del self._owner_of[lane]

    def _charge_played(self, outcomes: Mapping[str, Turn], weights: Mapping[str, float]) -> Container[str]:
        """Place those whose turns the plan played, where it has not placed them right; answers the lanes."""
        owners, played, self._played_owners, self._played_lanes = self._played_owners, self._played_lanes, {}, {}
        for lane in played:
            if lane in outcomes and (got := outcomes[lane].got):
                owner = self._owner_of[lane]
                owners[owner] += got / weights.get(owner, 1.0)
                played[lane] += got
        for owner, passed in owners.items():
            if self._owners.passed(owner) != passed:
                self._owners.place(owner, passed)
        for lane, passed in played.items():
            lanes = self._lanes[self._owner_of[lane]]
            if lanes.passed(lane) != passed:
                lanes.place(lane, passed)
        return played

    def _charge(self, lane: str, got: int, weights: Mapping[str, float]) -> None:
        if got:
            owner = self._owner_of[lane]
            self._owners.place(owner, self._owners.passed(owner) + got / weights.get(owner, 1.0))
            self._lanes[owner].place(lane, self._lanes[owner].passed(lane) + got)

    def _rest(self, lane: str) -> None:
        """Set a lane aside, behind those that rest already; of too many the first is forgotten until seen again."""
        if self._resting.pop(lane, ...) is ...:
            self._leave(lane)
        self._resting[lane] = None
        if len(self._resting) > LANES_KNOWN_MAX:
            oldest = next(iter(self._resting))
            del self._resting[oldest], self._owner_of[oldest]


def is_paused(row: Any, paused: Container[str]) -> bool:  # noqa: ANN401 - a row of lanes_due.sql
    """Whether an operator lets a lane rest: one of its keys, its job type, or its workspace."""
    implied = (f"type:{row['type']}", f"workspace/{row['workspace_id']}")
    return bool(paused) and any(key in paused for key in (*implied, *row["lane"].split(" ")))
