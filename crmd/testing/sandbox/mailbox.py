"""One Gmail mailbox: messages, labels, and the history of what happened to them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from crmd.testing.sandbox.conversations import Conversations
from crmd.testing.sandbox.original import Original, read_original

if TYPE_CHECKING:
    from collections.abc import Iterable

SYSTEM_LABELS = (
    "INBOX",
    "SENT",
    "DRAFT",
    "SPAM",
    "TRASH",
    "UNREAD",
    "STARRED",
    "IMPORTANT",
    "CATEGORY_PERSONAL",
    "CATEGORY_SOCIAL",
    "CATEGORY_PROMOTIONS",
    "CATEGORY_UPDATES",
    "CATEGORY_FORUMS",
)
HistoryType = Literal["messageAdded", "messageDeleted", "labelAdded", "labelRemoved"]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message as the mailbox holds it; `history_id` is of its last change, `internal_ms` epoch milliseconds."""

    id: str
    thread_id: str
    labels: frozenset[str]
    internal_ms: int
    history_id: int
    original: Original

    def label_ids(self) -> list[str]:
        """Give the labels in a fixed order."""
        return sorted(self.labels)


@dataclass(frozen=True, slots=True)
class HistoryRecord:
    """One change: the message as it was after it, and the labels that came or went."""

    id: int
    type: HistoryType
    message: StoredMessage
    label_ids: tuple[str, ...] = ()


class Mailbox:
    """The mailbox of one address.

    Args:
        address: The owner's primary address.
        aliases: Other addresses the owner can send as.
        seed: Makes ids and the gaps between history ids repeatable.
    """

    def __init__(self, address: str, aliases: Iterable[str] = (), seed: int = 0) -> None:
        self.address = address
        self.aliases = tuple(aliases)
        self.messages: dict[str, StoredMessage] = {}
        self.history: list[HistoryRecord] = []
        self.user_labels: dict[str, str] = {}
        self.watch_topic: str | None = None
        self._dice = random.Random(f"{address}/{seed}")  # noqa: S311 - repeatable ids, not secrets
        self._history_id = self._dice.randrange(10_000, 90_000)
        self._history_floor = self._history_id
        self._serial = self._dice.randrange(0x18C0000000000000, 0x18D0000000000000)
        self._conversations = Conversations()

    @property
    def history_id(self) -> int:
        """The id of the newest change; nothing happened after it."""
        return self._history_id

    def add(
        self,
        raw: bytes,
        labels: Iterable[str] = ("INBOX", "UNREAD"),
        thread_id: str | None = None,
        internal_date: datetime | None = None,
    ) -> StoredMessage:
        """Let a message arrive.

        Args:
            raw: The message as RFC 5322 bytes.
            labels: Label ids; unknown ones become user labels of that name.
            thread_id: The thread it belongs to; None finds it by References, In-Reply-To and Subject.
            internal_date: When the provider accepted it, aware; None: now, whatever its Date header says.
        """
        original = read_original(raw)
        accepted_at = internal_date or datetime.now(UTC)
        message_id = self._next_id()
        thread = thread_id or self._conversations.find(original) or message_id
        self._conversations.remember(original, thread)
        message = StoredMessage(
            id=message_id,
            thread_id=thread,
            labels=frozenset(self._known_label(label) for label in labels),
            internal_ms=int(accepted_at.timestamp() * 1000),
            history_id=self._next_history_id(),
            original=original,
        )
        self.messages[message_id] = message
        self._record("messageAdded", message)
        return message

    def delete(self, message_id: str) -> None:
        """Delete for good; no trash."""
        message = replace(self.messages.pop(message_id), history_id=self._next_history_id())
        self._record("messageDeleted", message)

    def label(self, message_id: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> StoredMessage:
        """Put labels on and take labels off; only real changes make history."""
        message = self.messages[message_id]
        added = frozenset(self._known_label(label) for label in add) - message.labels
        removed = frozenset(remove) & message.labels
        if added:
            message = self._relabelled(message, message.labels | added)
            self._record("labelAdded", message, added)
        if removed:
            message = self._relabelled(message, message.labels - removed)
            self._record("labelRemoved", message, removed)
        return message

    def trash(self, message_id: str) -> StoredMessage:
        """Move to the trash: a label, not a deletion."""
        return self.label(message_id, add=["TRASH"], remove=["INBOX"])

    def untrash(self, message_id: str) -> StoredMessage:
        """Take out of the trash; it does not come back to the inbox by itself."""
        return self.label(message_id, remove=["TRASH"])

    def mark_read(self, message_id: str) -> StoredMessage:
        """Take the UNREAD label off."""
        return self.label(message_id, remove=["UNREAD"])

    def create_label(self, name: str) -> str:
        """Give the id of a new or known user label."""
        return self._known_label(name)

    def thread(self, thread_id: str) -> list[StoredMessage]:
        """Give the messages of a thread, oldest first."""
        found = (message for message in self.messages.values() if message.thread_id == thread_id)
        return sorted(found, key=lambda message: (message.internal_ms, message.id))

    def expire_history(self) -> None:
        """Forget all changes up to now, as Gmail does after a week or sooner."""
        self._history_floor = self._history_id

    def has_history_since(self, start_id: int) -> bool:
        """Say whether changes after this id are still known."""
        return self._history_floor <= start_id <= self._history_id

    def _relabelled(self, message: StoredMessage, labels: frozenset[str]) -> StoredMessage:
        changed = replace(message, labels=labels, history_id=self._next_history_id())
        self.messages[message.id] = changed
        return changed

    def _record(self, kind: HistoryType, message: StoredMessage, labels: Iterable[str] = ()) -> None:
        self.history.append(HistoryRecord(message.history_id, kind, message, tuple(sorted(labels))))

    def _known_label(self, label: str) -> str:
        if label in SYSTEM_LABELS or label in self.user_labels:
            return label
        known = next((key for key, name in self.user_labels.items() if name == label), None)
        label_id = known or f"Label_{len(self.user_labels) + 1}"
        self.user_labels[label_id] = label
        return label_id

    def _next_id(self) -> str:
        self._serial += self._dice.randrange(1, 1 << 24)
        return f"{self._serial:016x}"

    def _next_history_id(self) -> int:
        """Ids ascend with gaps: clients that count instead of reading them must fail here."""
        self._history_id += self._dice.randrange(1, 60)
        return self._history_id
