"""The message methods of the Gmail API."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from crmd.testing.sandbox.account import MAY_DELETE, MAY_LIST, MAY_MODIFY, MAY_READ, MAY_SEND, METADATA
from crmd.testing.sandbox.exchange import Reply, json_reply
from crmd.testing.sandbox.google_errors import forbidden, invalid, not_found
from crmd.testing.sandbox.paging import page_of, page_size
from crmd.testing.sandbox.payload import attachment_resource, message_resource
from crmd.testing.sandbox.routing import Route, Visit, stub
from crmd.testing.sandbox.search import Words, WrongQueryError, parse_search

if TYPE_CHECKING:
    from crmd.testing.sandbox.mailbox import StoredMessage

BATCH_IDS_MAX = 1000
HIDDEN = frozenset({"SPAM", "TRASH"})
FORMATS = frozenset({"full", "raw", "metadata", "minimal"})
LIST_PARAMETERS = frozenset({"q", "labelIds", "maxResults", "pageToken", "includeSpamTrash"})
GET_PARAMETERS = frozenset({"format", "metadataHeaders"})


def found_messages(visit: Visit) -> list[StoredMessage]:
    """Give the messages that a list call asks for, newest first."""
    call = visit.call
    query = call.value("q")
    if query and not visit.scopes & MAY_READ and METADATA in visit.scopes:
        raise forbidden("insufficientPermissions", "Metadata scope does not support 'q' parameter")
    try:
        search = parse_search(query, Words(visit.now_at, visit.account.mailbox.user_labels))
    except WrongQueryError as wrong:
        visit.log.violated(call, f"query: {wrong}")
        raise invalid(f"Invalid query: {wrong}") from None
    wanted = frozenset(visit.known_labels(call.values("labelIds")))
    shows_hidden = call.value("includeSpamTrash") == "true" or search.reaches_hidden or bool(wanted & HIDDEN)
    found = [
        message
        for message in visit.account.mailbox.messages.values()
        if wanted <= message.labels and (shows_hidden or not message.labels & HIDDEN) and search.fits(message)
    ]
    return sorted(found, key=lambda message: (message.internal_ms, message.id), reverse=True)


def one_message(visit: Visit) -> StoredMessage:
    """Give the message named in the path.

    Raises:
        RefusedCall: There is none (404).
    """
    message = visit.account.mailbox.messages.get(visit.ids["id"])
    if message is None:
        raise not_found()
    return message


def wanted_format(visit: Visit) -> str:
    """Give the `format` parameter; a metadata-only grant sees no bodies."""
    shape = visit.call.value("format", "full").lower()
    if shape not in FORMATS:
        visit.log.violated(visit.call, f"unknown format {shape[:40]!r}")
        raise invalid("Invalid value at 'format'")
    if shape in {"full", "raw"} and not visit.scopes & MAY_READ:
        raise forbidden("insufficientPermissions", f"Metadata scope doesn't allow format {shape.upper()}")
    return shape


def _list(visit: Visit) -> Reply:
    found = found_messages(visit)
    keyed = [((message.internal_ms, message.id), message) for message in found]
    page, token = page_of(visit.call, keyed, page_size(visit.call), is_falling=True)
    answer: dict[str, object] = {"resultSizeEstimate": len(found)}
    if page:
        answer["messages"] = [stub(message) for message in page]
    if token:
        answer["nextPageToken"] = token
    return json_reply(answer)


def _get(visit: Visit) -> Reply:
    message = one_message(visit)
    return json_reply(message_resource(message, wanted_format(visit), visit.call.values("metadataHeaders")))


def _attachment(visit: Visit) -> Reply:
    resource = attachment_resource(one_message(visit), visit.ids["attachment"])
    if resource is None:
        raise invalid("Invalid attachment token")
    return json_reply(resource)


def _modify(visit: Visit) -> Reply:
    message, sent = one_message(visit), visit.json()
    add, remove = (visit.known_labels(visit.texts(sent, name)) for name in ("addLabelIds", "removeLabelIds"))
    changed = visit.account.mailbox.label(message.id, add, remove)
    return json_reply({**stub(changed), "labelIds": changed.label_ids()})


def _trash(visit: Visit) -> Reply:
    changed = visit.account.mailbox.trash(one_message(visit).id)
    return json_reply({**stub(changed), "labelIds": changed.label_ids()})


def _untrash(visit: Visit) -> Reply:
    changed = visit.account.mailbox.untrash(one_message(visit).id)
    return json_reply({**stub(changed), "labelIds": changed.label_ids()})


def _delete(visit: Visit) -> Reply:
    visit.account.mailbox.delete(one_message(visit).id)
    return Reply(204)


def _many_ids(visit: Visit, sent: dict[str, object]) -> list[str]:
    ids = visit.texts(sent, "ids")
    if not ids or len(ids) > BATCH_IDS_MAX:
        visit.log.violated(visit.call, f"ids must hold 1 to {BATCH_IDS_MAX} entries, not {len(ids)}")
        raise invalid("Invalid ids")
    return [message_id for message_id in ids if message_id in visit.account.mailbox.messages]


def _modify_many(visit: Visit) -> Reply:
    sent = visit.json()
    add, remove = (visit.known_labels(visit.texts(sent, name)) for name in ("addLabelIds", "removeLabelIds"))
    for message_id in _many_ids(visit, sent):
        visit.account.mailbox.label(message_id, add, remove)
    return Reply(204)


def _delete_many(visit: Visit) -> Reply:
    for message_id in _many_ids(visit, visit.json()):
        visit.account.mailbox.delete(message_id)
    return Reply(204)


def _send(visit: Visit) -> Reply:
    thread_id: str | None = None
    if visit.call.media_type() == "message/rfc822":
        raw = visit.call.body
    else:
        sent = visit.json()
        raw = _decoded(visit, sent.get("raw"))
        thread_id = _fitting_thread(visit, sent.get("threadId"))
    message = visit.account.mailbox.add(raw, ["SENT"], thread_id, visit.now_at)
    return json_reply({**stub(message), "labelIds": message.label_ids()})


def _decoded(visit: Visit, raw: object) -> bytes:
    try:
        text = str(raw or "").rstrip("=")
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        visit.log.violated(visit.call, "raw must be base64url of a message")
        raise invalid("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
    return data


def _fitting_thread(visit: Visit, thread_id: object) -> str | None:
    if thread_id is None:
        return None
    if not visit.account.mailbox.thread(str(thread_id)):
        raise not_found()
    return str(thread_id)


MESSAGE_ROUTES = (
    Route("GET", "messages", "messages.list", MAY_LIST, _list, LIST_PARAMETERS),
    Route("POST", "messages/send", "messages.send", MAY_SEND, _send, frozenset({"uploadType"})),
    Route("POST", "messages/batchModify", "messages.batchModify", MAY_MODIFY, _modify_many),
    Route("POST", "messages/batchDelete", "messages.batchDelete", MAY_DELETE, _delete_many),
    Route("GET", "messages/{id}", "messages.get", MAY_LIST, _get, GET_PARAMETERS),
    Route("GET", "messages/{id}/attachments/{attachment}", "attachments.get", MAY_READ, _attachment),
    Route("POST", "messages/{id}/modify", "messages.modify", MAY_MODIFY, _modify),
    Route("POST", "messages/{id}/trash", "messages.trash", MAY_MODIFY, _trash),
    Route("POST", "messages/{id}/untrash", "messages.untrash", MAY_MODIFY, _untrash),
    Route("DELETE", "messages/{id}", "messages.delete", MAY_DELETE, _delete),
)
