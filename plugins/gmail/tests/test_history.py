from __future__ import annotations

import msgspec
from crmd_gmail.history import fold
from crmd_gmail.resync import earlier, label_change
from crmd_gmail.synced import Span
from crmd_gmail.wire import HistoryPage, HistoryRecord, WireMessage, read_json


def records(*given: dict[str, object]) -> tuple[HistoryRecord, ...]:
    """Records as they come from the wire; ids are numbered by hundreds."""
    numbered = [{"id": str(100 * number), **record} for number, record in enumerate(given, 1)]
    return read_json(msgspec.json.encode({"historyId": "999", "history": numbered}), HistoryPage).history


def of(message_id: str, *labels: str) -> list[dict[str, object]]:
    """One changed message of a record."""
    return [{"message": {"id": message_id, "threadId": "t"}, "labelIds": list(labels)}]


def test_added_then_deleted() -> None:
    """A message that came and went is not fetched, and its labels don't matter."""
    intents = fold(
        records({"messagesAdded": of("a")}, {"labelsAdded": of("a", "STARRED")}, {"messagesDeleted": of("a")})
    )
    assert (intents.added, intents.deleted, intents.labels, intents.last_id) == ({}, {"a": 300}, [], 300)


def test_deleted_then_added() -> None:
    """A message that an administrator restored is fetched again."""
    intents = fold(records({"messagesDeleted": of("a")}, {"messagesAdded": of("a")}))
    assert (intents.added, intents.deleted) == ({"a": 200}, {})


def test_labels_keep_their_order() -> None:
    """Changes of labels stay apart, each with its history id, and say whether the read state changed."""
    intents = fold(
        records(
            {"labelsRemoved": of("a", "UNREAD", "INBOX")},
            {"labelsAdded": of("a", "UNREAD")},
            {"labelsAdded": of("b", "STARRED")},
        )
    )
    told = [(one.provider_id, one.history_id, one.added, one.removed, one.is_unread) for one in intents.labels]
    assert told == [
        ("a", 100, (), ("UNREAD", "INBOX"), False),
        ("a", 200, ("UNREAD",), (), True),
        ("b", 300, ("STARRED",), (), None),
    ]
    assert intents.newest_label_changes() == {"a": 200, "b": 300}


def test_several_kinds_in_one_record() -> None:
    """One record may hold several kinds and several messages."""
    intents = fold(
        records({"messagesAdded": of("a") + of("b"), "messagesDeleted": of("c"), "labelsAdded": of("d", "X")})
    )
    assert (list(intents.added), intents.deleted, len(intents.labels)) == (["a", "b"], {"c": 100}, 1)


def test_nothing() -> None:
    """No records come to nothing."""
    intents = fold(())
    assert (intents.added, intents.deleted, intents.labels, intents.last_id) == ({}, {}, [], 0)


def test_label_difference() -> None:
    """What a comparison finds makes the stored labels those of the message."""
    message = WireMessage("a", label_ids=("INBOX", "STARRED"), history_id=7)
    change = label_change(message, frozenset({"INBOX", "UNREAD"}))
    assert (change.added, change.removed, change.is_unread, change.is_draft) == (
        ("STARRED",),
        ("UNREAD",),
        False,
        False,
    )


def test_spans_leave_no_gap() -> None:
    """The spans of a comparison touch each other and end exactly where the window begins."""
    span = Span("1", 2, since=0, begins=100 * 86_400)
    edges = [span.begins]
    while span.begins > span.since:
        after, span = span, earlier(span)
        assert span.until == after.begins
        edges.append(span.begins)
    assert edges == [100 * 86_400, 70 * 86_400, 40 * 86_400, 10 * 86_400, 0]
