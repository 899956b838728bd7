"""Folds pages of Gmail's history into what is to be done: messages to fetch, to remove, to relabel. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crmd_crm.store import LabelChange

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crmd_gmail.wire import HistoryChange, HistoryRecord


@dataclass(slots=True)
class Intents:
    """What a stretch of history comes to.

    Attributes:
        added: Messages to fetch, in the order of their coming; those that were deleted again are not among them.
        deleted: History id of the deletion by message.
        labels: Changes in the order of history; those of deleted messages are not among them.
        last_id: Of the last record; 0 when there was none.
    """

    added: dict[str, int] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    labels: list[LabelChange] = field(default_factory=list)
    last_id: int = 0

    def newest_label_changes(self) -> dict[str, int]:
        """History id of the newest change of labels by message."""
        newest: dict[str, int] = {}
        for change in self.labels:
            newest[change.provider_id] = max(newest.get(change.provider_id, 0), change.history_id)
        return newest


def fold(records: Iterable[HistoryRecord]) -> Intents:
    """What the records come to in their order."""
    intents = Intents()
    for record in records:
        for change in record.messages_added:
            intents.added[change.message.id] = record.id
            intents.deleted.pop(change.message.id, None)
        for change in record.messages_deleted:
            intents.added.pop(change.message.id, None)
            intents.deleted[change.message.id] = record.id
        intents.labels += _label_changes(record)
        intents.last_id = max(intents.last_id, record.id)
    intents.labels = [change for change in intents.labels if change.provider_id not in intents.deleted]
    return intents


def _label_changes(record: HistoryRecord) -> list[LabelChange]:
    came = [_label_change(record.id, change, is_added=True) for change in record.labels_added]
    return came + [_label_change(record.id, change, is_added=False) for change in record.labels_removed]


def _label_change(history_id: int, change: HistoryChange, *, is_added: bool) -> LabelChange:
    return LabelChange(
        provider_id=change.message.id,
        history_id=history_id,
        added=change.label_ids if is_added else (),
        removed=() if is_added else change.label_ids,
        is_unread=is_added if "UNREAD" in change.label_ids else None,
        is_draft=is_added if "DRAFT" in change.label_ids else None,
    )
