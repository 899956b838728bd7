"""Gmail's JSON as it is on the wire; 64-bit numbers come as strings there, and absent lists mean empty ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

import crmd
from crmd_gmail.refusal import read_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_T = TypeVar("_T")


class UnusableError(crmd.RetryJob):
    """Gmail answered, and the answer is no use."""


class WireMessage(msgspec.Struct, frozen=True, rename="camel"):
    """A message as `messages.get` gives it; `raw` is there with format=raw, `internal_date` is in epoch ms."""

    id: str
    thread_id: str = ""
    label_ids: tuple[str, ...] = ()
    history_id: int = 0
    internal_date: int = 0
    size_estimate: int = 0
    raw: str = ""


class Profile(msgspec.Struct, frozen=True, rename="camel"):
    """The mailbox, and its newest change."""

    history_id: int
    email_address: str = ""


class MessageStub(msgspec.Struct, frozen=True):
    """A message as lists name it."""

    id: str


class MessagePage(msgspec.Struct, frozen=True, rename="camel"):
    """One page of `messages.list`, newest first."""

    messages: tuple[MessageStub, ...] = ()
    next_page_token: str | None = None
    result_size_estimate: int = 0

    @property
    def ids(self) -> list[str]:
        """Of its messages."""
        return [message.id for message in self.messages]


class HistoryChange(msgspec.Struct, frozen=True, rename="camel"):
    """One message of a history record; `label_ids` are those that came or went."""

    message: MessageStub
    label_ids: tuple[str, ...] = ()


class HistoryRecord(msgspec.Struct, frozen=True, rename="camel"):
    """Changes that were made at once."""

    id: int
    messages_added: tuple[HistoryChange, ...] = ()
    messages_deleted: tuple[HistoryChange, ...] = ()
    labels_added: tuple[HistoryChange, ...] = ()
    labels_removed: tuple[HistoryChange, ...] = ()


class HistoryPage(msgspec.Struct, frozen=True, rename="camel"):
    """One page of `history.list`, ascending; `history_id` is the mailbox's newest change."""

    history_id: int
    history: tuple[HistoryRecord, ...] = ()
    next_page_token: str | None = None


async def ask(
    client: crmd.ConnectionClient, path: str, kind: type[_T], *, cost: float, params: Mapping[str, str]
) -> tuple[int, _T | None]:
    """Ask Gmail for one JSON object: status 200 and the object, or 400 or 404 and None.

    Raises:
        FailJob: It refuses for good.
        UnusableError: The answer is no JSON of that shape.
        RetryJob: A passing fault lasted too long.
        GateClosed: The quota is used up, or only a new consent helps.
    """
    response = await client.request("GET", f"/gmail/v1/users/me/{path}", cost=cost, params=params)
    if response.is_ok:
        return response.status, read_json(response.body, kind)
    if response.status in {400, 404}:
        return response.status, None
    raise crmd.FailJob(read_refusal(response.body).sentence(response.status))


def read_json(body: bytes, kind: type[_T]) -> _T:
    """The object in a body.

    Raises:
        UnusableError: It is cut off, or of another shape.
    """
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, RecursionError) as error:
        # The decoder tells positions and types, never what stands there.
        raise UnusableError(f"Gmail answered with unusable JSON: {error}") from None
