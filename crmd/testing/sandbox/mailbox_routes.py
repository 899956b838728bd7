"""The thread, label, history, settings and watch methods of the Gmail API."""

from __future__ import annotations

from datetime import timedelta

from crmd.testing.sandbox.account import MAY_LABEL, MAY_LIST, MAY_SEE_ALIASES
from crmd.testing.sandbox.exchange import Reply, json_reply
from crmd.testing.sandbox.google_errors import invalid, not_found
from crmd.testing.sandbox.mailbox import SYSTEM_LABELS, HistoryRecord, StoredMessage
from crmd.testing.sandbox.message_routes import GET_PARAMETERS, LIST_PARAMETERS, found_messages, wanted_format
from crmd.testing.sandbox.paging import page_of, page_size
from crmd.testing.sandbox.payload import message_resource, snippet
from crmd.testing.sandbox.routing import Route, Visit, stub

HISTORY_KEYS = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}
HISTORY_PARAMETERS = frozenset({"startHistoryId", "historyTypes", "labelId", "maxResults", "pageToken"})
WATCH_LIFE = timedelta(days=7)


def _profile(visit: Visit) -> Reply:
    mailbox = visit.account.mailbox
    answer = {
        "emailAddress": mailbox.address,
        "messagesTotal": len(mailbox.messages),
        "threadsTotal": len({message.thread_id for message in mailbox.messages.values()}),
        "historyId": str(mailbox.history_id),
    }
    return json_reply(answer)


def _list_threads(visit: Visit) -> Reply:
    newest: dict[str, StoredMessage] = {}
    for message in found_messages(visit):
        newest.setdefault(message.thread_id, message)
    keyed = [((message.internal_ms, message.id), message) for message in newest.values()]
    page, token = page_of(visit.call, keyed, page_size(visit.call), is_falling=True)
    answer: dict[str, object] = {"resultSizeEstimate": len(newest)}
    if page:
        answer["threads"] = [_thread_stub(message) for message in page]
    if token:
        answer["nextPageToken"] = token
    return json_reply(answer)


def _thread_stub(newest: StoredMessage) -> dict[str, object]:
    text = snippet(newest.original.parsed())
    return {"id": newest.thread_id, "snippet": text, "historyId": str(newest.history_id)}


def _get_thread(visit: Visit) -> Reply:
    messages = visit.account.mailbox.thread(visit.ids["id"])
    if not messages:
        raise not_found()
    shape = wanted_format(visit)
    answer = {
        "id": visit.ids["id"],
        "historyId": str(max(message.history_id for message in messages)),
        "messages": [message_resource(one, shape, visit.call.values("metadataHeaders")) for one in messages],
    }
    return json_reply(answer)


def _label_resource(label_id: str, name: str) -> dict[str, object]:
    kind = "system" if label_id == name else "user"
    return {
        "id": label_id,
        "name": name,
        "type": kind,
        "messageListVisibility": "hide" if kind == "system" else "show",
        "labelListVisibility": "labelShow",
    }


def _list_labels(visit: Visit) -> Reply:
    names = {**{label: label for label in SYSTEM_LABELS}, **visit.account.mailbox.user_labels}
    return json_reply({"labels": [_label_resource(label_id, name) for label_id, name in names.items()]})


def _get_label(visit: Visit) -> Reply:
    label_id = visit.ids["id"]
    name = label_id if label_id in SYSTEM_LABELS else visit.account.mailbox.user_labels.get(label_id)
    if name is None:
        raise not_found()
    labelled = [one for one in visit.account.mailbox.messages.values() if label_id in one.labels]
    unread = [message for message in labelled if "UNREAD" in message.labels]
    counts = {
        "messagesTotal": len(labelled),
        "messagesUnread": len(unread),
        "threadsTotal": len({message.thread_id for message in labelled}),
        "threadsUnread": len({message.thread_id for message in unread}),
    }
    return json_reply({**_label_resource(label_id, name), **counts})


def _history(visit: Visit) -> Reply:
    mailbox, call = visit.account.mailbox, visit.call
    start = call.value("startHistoryId")
    if not start.isdecimal():
        visit.log.violated(call, "startHistoryId must be a number")
        raise invalid("Invalid value at 'start_history_id'")
    if not mailbox.has_history_since(int(start)):
        raise not_found()
    types = frozenset(call.values("historyTypes")) or frozenset(HISTORY_KEYS)
    if not types <= HISTORY_KEYS.keys():
        visit.log.violated(call, "unknown historyTypes")
        raise invalid("Invalid value at 'history_types'")
    records = [record for record in mailbox.history if record.id > int(start) and _is_asked(record, visit, types)]
    keyed = [((record.id, ""), record) for record in records]
    page, token = page_of(call, keyed, page_size(call), is_falling=False)
    answer: dict[str, object] = {"historyId": str(mailbox.history_id)}
    if page:
        answer["history"] = [_history_resource(record) for record in page]
    if token:
        answer["nextPageToken"] = token
    return json_reply(answer)


def _is_asked(record: HistoryRecord, visit: Visit, types: frozenset[str]) -> bool:
    label = visit.call.value("labelId")
    return record.type in types and (not label or label in record.message.labels or label in record.label_ids)


def _history_resource(record: HistoryRecord) -> dict[str, object]:
    message = {**stub(record.message), "labelIds": record.message.label_ids()}
    change: dict[str, object] = {"message": message}
    if record.label_ids:
        change["labelIds"] = list(record.label_ids)
    return {"id": str(record.id), "messages": [stub(record.message)], HISTORY_KEYS[record.type]: [change]}


def _send_as(visit: Visit) -> Reply:
    account = visit.account
    entries = [
        {
            "sendAsEmail": address,
            "displayName": account.name,
            "replyToAddress": "",
            "signature": account.signature if address == account.email else "",
            "isPrimary": address == account.email,
            "isDefault": address == account.email,
            **({} if address == account.email else {"treatAsAlias": True, "verificationStatus": "accepted"}),
        }
        for address in (account.email, *account.mailbox.aliases)
    ]
    return json_reply({"sendAs": entries})


def _watch(visit: Visit) -> Reply:
    topic = str(visit.json().get("topicName", ""))
    if not topic.startswith("projects/") or "/topics/" not in topic:
        visit.log.violated(visit.call, "topicName must read projects/P/topics/T")
        raise invalid("Invalid topicName does not match projects/*/topics/*")
    visit.account.mailbox.watch_topic = topic
    expires_ms = int((visit.now_at + WATCH_LIFE).timestamp() * 1000)
    return json_reply({"historyId": str(visit.account.mailbox.history_id), "expiration": str(expires_ms)})


def _stop(visit: Visit) -> Reply:
    visit.account.mailbox.watch_topic = None
    return Reply(204)


MAILBOX_ROUTES = (
    Route("GET", "profile", "getProfile", MAY_LIST, _profile),
    Route("GET", "threads", "threads.list", MAY_LIST, _list_threads, LIST_PARAMETERS),
    Route("GET", "threads/{id}", "threads.get", MAY_LIST, _get_thread, GET_PARAMETERS),
    Route("GET", "labels", "labels.list", MAY_LABEL, _list_labels),
    Route("GET", "labels/{id}", "labels.get", MAY_LABEL, _get_label),
    Route("GET", "history", "history.list", MAY_LIST, _history, HISTORY_PARAMETERS),
    Route("GET", "settings/sendAs", "sendAs.list", MAY_SEE_ALIASES, _send_as),
    Route("POST", "watch", "watch", MAY_LIST, _watch),
    Route("POST", "stop", "stop", MAY_LIST, _stop),
)
