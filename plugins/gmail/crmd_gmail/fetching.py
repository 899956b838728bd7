"""Fetches messages by id: in batches, again only for the parts that failed, and one by one where batches fail."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import anyio
import anyio.to_thread

import crmd
from crmd_gmail.answer import Again, Found, Gone, Refused, Rejected, read_answer
from crmd_gmail.batch_body import CONTENT_TYPE, read_batch, write_batch
from crmd_gmail.wire import UnusableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crmd_gmail.answer import Answer
    from crmd_gmail.settings import GmailSettings
    from crmd_gmail.wire import WireMessage

ROUNDS_MAX = 4
PAUSE_MAX_SECONDS = 8.0
"""A longer pause gives the slot back: the job waits in the queue."""


@dataclass(slots=True)
class Fetched:
    """What came of asking for some messages.

    Attributes:
        found: The messages.
        gone: Ids that the mailbox no longer has.
        refused: Ids that Gmail never gives out, with the reason.
        left: Ids that are still to be asked for.
        fault: Why some are left; to be raised once the others are stored.
    """

    found: list[WireMessage] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    fault: crmd.JobError | None = None

    def book(self, message_id: str, answer: Answer) -> None:
        """Sort one answer in."""
        match answer:
            case Found(message):
                self.found.append(message)
            case Gone():
                self.gone.append(message_id)
            case Refused(reason):
                self.refused[message_id] = reason
            case Again() | Rejected():
                self.left.append(message_id)


class Fetcher:
    """Fetches through one connection; remembers for the time of a job that its batch endpoint does not work.

    Args:
        client: Of the connection.
        settings: Of the plugin.
        shape: `raw` for the bytes as received, `minimal` for labels alone.
    """

    def __init__(
        self, client: crmd.ConnectionClient, settings: GmailSettings, shape: Literal["raw", "minimal"] = "raw"
    ) -> None:
        self._client = client
        self._settings = settings
        self._shape = shape
        self._is_batching = True
        self._is_rejected = False

    async def fetch(self, ids: Sequence[str]) -> Fetched:
        """Ask for messages; what could be had is in the answer even when the rest fails.

        Raises:
            FailJob: Gmail refuses the whole mailbox, or a request that can't be made smaller.
        """
        fetched = Fetched(left=list(dict.fromkeys(ids)))
        for attempt in range(1, ROUNDS_MAX + 1):
            answers = await self._round(fetched, is_single=attempt == ROUNDS_MAX)
            if not fetched.left or fetched.fault is not None:
                return fetched
            seconds = self._pause(answers, attempt)
            if seconds > PAUSE_MAX_SECONDS:
                reason = "Gmail held back parts of a batch"
                gate = f"limit/{self._client.limit_name}"
                fetched.fault = crmd.GateClosed(gate, after_seconds=seconds, reason=reason)
                return fetched
            await anyio.sleep(seconds if attempt < ROUNDS_MAX else 0)
        # Asked for on their own at last: a limit or an outage would have ended that round by itself.
        fetched.fault = UnusableError(f"Gmail's answers for {len(fetched.left)} messages can't be used")
        return fetched

    async def _round(self, fetched: Fetched, *, is_single: bool) -> dict[str, Answer]:
        """Ask once for all that is left; a fault ends the round and keeps what was answered before it."""
        pending, fetched.left = fetched.left, []
        answers: dict[str, Answer] = {}
        try:
            await self._ask(pending, answers, is_single=is_single)
        except (crmd.GateClosed, crmd.RetryJob) as fault:
            fetched.fault = fault
        for message_id in pending:
            fetched.book(message_id, answers.get(message_id, Again()))
        self._is_rejected = any(isinstance(answer, Rejected) for answer in answers.values())
        return answers

    async def _ask(self, pending: list[str], answers: dict[str, Answer], *, is_single: bool) -> None:
        if self._is_rejected:
            # The batch endpoint answers 200 around parts that are 401: only a request of its own renews the token.
            await self._singly(pending[:1], answers)
            pending = pending[1:]
        if self._is_batching and not is_single and len(pending) > 1:
            await self._batched(pending, answers)
        if not self._is_batching or is_single or len(pending) == 1:
            await self._singly([one for one in pending if one not in answers], answers)

    async def _batched(self, ids: Sequence[str], answers: dict[str, Answer]) -> None:
        """Ask for all in one call. An answer above the size bound is halved; a broken endpoint is not asked again."""
        try:
            response = await self._client.request(
                "POST",
                "",
                endpoint="batch",
                cost=self._settings.cost("messages_get", len(ids)),
                data=write_batch([self._path(one) for one in ids]),
                headers={"Content-Type": CONTENT_TYPE},
                is_idempotent=True,
            )
        except crmd.FailJob:
            if len(ids) == 1:
                return await self._singly(ids, answers)
            half = len(ids) // 2
            await self._batched(ids[:half], answers)
            return await self._batched(ids[half:], answers)
        except crmd.RetryJob:  # the endpoint fails; whether Gmail does as well, the single calls will tell
            self._is_batching = False
            return None
        read = await anyio.to_thread.run_sync(_answers, response, ids) if response.is_ok else None
        self._is_batching = read is not None
        answers.update(read or {})
        return None

    async def _singly(self, ids: Sequence[str], answers: dict[str, Answer]) -> None:
        for message_id in ids:
            try:
                answers[message_id] = await self._single(message_id)
            except crmd.FailJob as fault:
                answers[message_id] = await self._too_large(message_id, fault)

    async def _single(self, message_id: str, shape: str = "") -> Answer:
        response = await self._client.request(
            "GET", self._path(message_id, shape), cost=self._settings.cost("messages_get")
        )
        return read_answer(response.status, response.headers, response.body)

    async def _too_large(self, message_id: str, fault: crmd.FailJob) -> Answer:
        """What can't be taken on its own either: too large, as Gmail's own estimate says, or the fault stands."""
        answer = await self._single(message_id, "minimal")
        if not isinstance(answer, Found) or answer.message.size_estimate <= self._settings.message_bytes_max:
            raise fault
        size = answer.message.size_estimate
        most = self._settings.message_bytes_max
        return Refused(f"The message has about {size} bytes, more than the {most} that are read.")

    def _path(self, message_id: str, shape: str = "") -> str:
        return f"/gmail/v1/users/me/messages/{quote(message_id, safe='')}?format={shape or self._shape}"

    def _pause(self, answers: Mapping[str, Answer], attempt: int) -> float:
        """Until the parts that are left may be asked for again; a token that was not accepted is renewed at once."""
        again = [answer for answer in answers.values() if isinstance(answer, Again)]
        if not again and self._is_rejected:
            return 0.0
        asked = max((answer.after_seconds or 0.0 for answer in again), default=0.0)
        chance = random.random()  # noqa: S311 - jitter, not a secret
        return self._settings.backoff().delay_seconds(attempt, chance, retry_after_seconds=asked)


def _answers(response: crmd.Response, ids: Sequence[str]) -> dict[str, Answer] | None:
    """The answers of a batch by message id; None when this is no batch answer."""
    parts = read_batch(response.headers.get("Content-Type", ""), response.body, len(ids))
    if not parts:
        return None
    return {ids[number]: read_answer(part.status, part.headers, part.body) for number, part in parts.items()}
