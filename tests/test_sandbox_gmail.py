"""The Gmail endpoints of the sandbox, asked over HTTP as a client would."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from crmd.testing.sandbox import Account, GmailSandbox, Quota, StoppedClock, faults
from crmd.testing.sandbox.field_mask import WrongMaskError, parse_mask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def mail(number: int, subject: str = "Quote", extra: str = "", body: str = "Hello") -> bytes:
    """Give a small message that arrived `number` minutes after the start."""
    sent_at = (START + timedelta(minutes=number)).strftime("%a, %d %b %Y %H:%M:%S +0000")
    head = f"From: Ann <ann@a.example>\r\nTo: jana@nordwerk.example\r\nSubject: {subject}\r\nDate: {sent_at}\r\n"
    return f"{head}Message-ID: <m{number}@a.example>\r\n{extra}\r\n{body} {number}\r\n".encode()


@dataclass
class Client:
    """An authorised client of one account."""

    http: aiohttp.ClientSession
    sandbox: GmailSandbox
    account: Account

    async def ask(self, path: str, method: str = "GET", **more: Any) -> tuple[int, Any]:  # noqa: ANN401 - JSON of any shape
        """Ask for a path below the user and give status and JSON."""
        url = f"{self.sandbox.api_url}/gmail/v1/users/me/{path}"
        async with self.http.request(method, url, **more) as response:
            return response.status, await response.json() if response.status != 204 else None


@asynccontextmanager
async def client(count: int = 0, scope: str = "https://mail.google.com/", **more: Any) -> AsyncIterator[Client]:  # noqa: ANN401 - passed on
    """Give a client of a mailbox with this many messages."""
    more.setdefault("now", StoppedClock(START + timedelta(days=1)))
    async with GmailSandbox.running(**more) as sandbox:
        account = sandbox.add_account("jana@nordwerk.example", aliases=["info@nordwerk.example"], scopes=[scope])
        for number in range(count):
            account.mailbox.add(mail(number, subject=f"Quote {number}"))
        token = sandbox.grants.refresh(account.refresh_token).access_token
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            yield Client(http, sandbox, account)


async def test_listing_pages_without_gaps() -> None:
    """Pages by token give every message once, newest first, also when mail arrives between two pages."""
    async with client(7) as gmail:
        wanted = list(reversed(gmail.account.mailbox.messages))
        _, first = await gmail.ask("messages", params={"maxResults": 3})
        gmail.account.mailbox.add(mail(99))
        seen = [one["id"] for one in first["messages"]]
        token = first["nextPageToken"]
        while token:
            _, page = await gmail.ask("messages", params={"maxResults": 3, "pageToken": token})
            seen += [one["id"] for one in page["messages"]]
            token = page.get("nextPageToken")
        assert seen == wanted


async def test_empty_list_has_no_messages_key() -> None:
    """An empty answer leaves `messages` out, as Gmail does."""
    async with client() as gmail:
        assert await gmail.ask("messages") == (200, {"resultSizeEstimate": 0})


async def test_page_token_of_another_question_is_refused() -> None:
    """A token belongs to its query; with another one it is a 400."""
    async with client(3) as gmail:
        _, first = await gmail.ask("messages", params={"maxResults": 1})
        params = {"q": "subject:quote", "pageToken": first["nextPageToken"]}
        assert (await gmail.ask("messages", params=params))[0] == 400
        assert (await gmail.ask("messages", params={"pageToken": "nonsense"}))[0] == 400


async def test_spam_and_trash_are_hidden_unless_asked() -> None:
    """Spam and trash show up with includeSpamTrash, in:anywhere or by their label only."""
    async with client(2) as gmail:
        gmail.account.mailbox.trash(next(iter(gmail.account.mailbox.messages)))
        asked: tuple[dict[str, str], ...] = (
            {},
            {"includeSpamTrash": "true"},
            {"q": "in:anywhere"},
            {"labelIds": "TRASH"},
        )
        counts = [len((await gmail.ask("messages", params=params))[1]["messages"]) for params in asked]
        assert counts == [1, 2, 2, 1]


async def test_formats_of_a_message() -> None:
    """Format full has a decodable body, raw the very bytes, metadata the wanted headers, minimal no payload."""
    async with client() as gmail:
        raw = mail(1, body="Grüße <b>")
        message = gmail.account.mailbox.add(raw)
        _, full = await gmail.ask(f"messages/{message.id}")
        assert base64.urlsafe_b64decode(full["payload"]["body"]["data"]).decode().strip() == "Grüße <b> 1"
        assert full["historyId"] == str(message.history_id)
        assert isinstance(full["internalDate"], str)
        _, shown = await gmail.ask(f"messages/{message.id}", params={"format": "raw"})
        assert base64.urlsafe_b64decode(shown["raw"]) == raw
        params = [("format", "metadata"), ("metadataHeaders", "from")]
        _, meta = await gmail.ask(f"messages/{message.id}", params=params)
        assert meta["payload"]["headers"] == [{"name": "From", "value": "Ann <ann@a.example>"}]
        _, minimal = await gmail.ask(f"messages/{message.id}", params={"format": "minimal"})
        assert "payload" not in minimal


async def test_attachments_are_fetched_by_id() -> None:
    """A named part has no data but an id, and the id gives its bytes."""
    extra = 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n'
    parts = (
        "--b\r\nContent-Type: text/plain\r\n\r\nsee file\r\n--b\r\nContent-Type: text/csv; name=p.csv\r\n"
        "Content-Disposition: attachment; filename=p.csv\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        f"{base64.b64encode(b'a;b').decode()}\r\n--b--\r\n"
    )
    async with client() as gmail:
        message = gmail.account.mailbox.add(mail(1, extra=extra, body=parts))
        _, full = await gmail.ask(f"messages/{message.id}")
        named = full["payload"]["parts"][1]
        assert (named["filename"], "data" in named["body"]) == ("p.csv", False)
        _, got = await gmail.ask(f"messages/{message.id}/attachments/{named['body']['attachmentId']}")
        assert base64.urlsafe_b64decode(got["data"]) == b"a;b"
        assert (await gmail.ask(f"messages/{message.id}/attachments/other"))[0] == 400


async def test_replies_join_their_thread() -> None:
    """A reply joins by reference and subject; another subject or an unknown reference opens a new thread."""
    async with client() as gmail:
        add = gmail.account.mailbox.add
        first = add(mail(1, "Offer"))
        reply = add(mail(2, "AW: Re: offer", "In-Reply-To: <m1@a.example>\r\n"))
        other = add(mail(3, "Invoice", "References: <m1@a.example>\r\n"))
        assert reply.thread_id == first.thread_id != other.thread_id
        _, thread = await gmail.ask(f"threads/{first.thread_id}", params={"format": "minimal"})
        assert [one["id"] for one in thread["messages"]] == [first.id, reply.id]
        _, listed = await gmail.ask("threads")
        assert [one["id"] for one in listed["threads"]] == [other.thread_id, first.thread_id]


async def test_history_tells_every_change_in_order() -> None:
    """History since an id has each change once, with ascending ids that have gaps, and ends at the profile's id."""
    async with client(1) as gmail:
        box = gmail.account.mailbox
        start = box.history_id
        message = box.add(mail(5))
        box.mark_read(message.id)
        box.trash(message.id)
        box.delete(message.id)
        _, answer = await gmail.ask("history", params={"startHistoryId": start})
        kinds = [key for record in answer["history"] for key in record if key not in {"id", "messages"}]
        assert kinds == ["messagesAdded", "labelsRemoved", "labelsAdded", "labelsRemoved", "messagesDeleted"]
        ids = [int(record["id"]) for record in answer["history"]]
        assert ids == sorted(ids)
        assert ids[-1] - ids[0] > len(ids)
        _, profile = await gmail.ask("profile")
        assert answer["historyId"] == profile["historyId"] == str(ids[-1])
        assert "history" not in (await gmail.ask("history", params={"startHistoryId": ids[-1]}))[1]


async def test_history_pages_and_filters() -> None:
    """History pages give each record once, and only the types asked for."""
    async with client() as gmail:
        start = gmail.account.mailbox.history_id
        for number in range(5):
            gmail.account.mailbox.mark_read(gmail.account.mailbox.add(mail(number)).id)
        base = {"startHistoryId": start, "historyTypes": "messageAdded", "maxResults": 2}
        sizes, token = [], ""
        while True:
            params = base | ({"pageToken": token} if token else {})
            _, page = await gmail.ask("history", params=params)
            assert all("messagesAdded" in record for record in page["history"])
            sizes.append(len(page["history"]))
            token = page.get("nextPageToken", "")
            if not token:
                break
        assert sizes == [2, 2, 1]


@pytest.mark.parametrize(("start", "status"), [("old", 400), ("1", 404), ("999999999", 404)])
async def test_history_ids_that_do_not_fit(start: str, status: int) -> None:
    """A start id that is too old or from the future is 404, one that is no number 400."""
    async with client(1) as gmail:
        assert (await gmail.ask("history", params={"startHistoryId": start}))[0] == status


async def test_expired_history_is_404() -> None:
    """After expiry an older id is 404, while the present one still works."""
    async with client(2) as gmail:
        start = gmail.account.mailbox.messages[next(iter(gmail.account.mailbox.messages))].history_id
        gmail.account.mailbox.expire_history()
        assert (await gmail.ask("history", params={"startHistoryId": start}))[0] == 404
        assert (await gmail.ask("history", params={"startHistoryId": gmail.account.mailbox.history_id}))[0] == 200


async def test_changing_a_message() -> None:
    """modify, trash, untrash, batchModify and delete do what they say."""
    async with client(2) as gmail:
        one, two = gmail.account.mailbox.messages
        work = gmail.account.mailbox.create_label("Work")
        sent = {"addLabelIds": [work], "removeLabelIds": ["UNREAD"]}
        _, changed = await gmail.ask(f"messages/{one}/modify", "POST", json=sent)
        assert changed["labelIds"] == ["INBOX", work]
        await gmail.ask(f"messages/{one}/trash", "POST", json={})
        _, back = await gmail.ask(f"messages/{one}/untrash", "POST", json={})
        assert back["labelIds"] == [work]
        batch = {"ids": [one, two], "addLabelIds": ["STARRED"]}
        assert (await gmail.ask("messages/batchModify", "POST", json=batch))[0] == 204
        assert "STARRED" in gmail.account.mailbox.messages[two].labels
        assert (await gmail.ask(f"messages/{two}", "DELETE"))[0] == 204
        assert (await gmail.ask(f"messages/{two}"))[0] == 404
        assert (await gmail.ask(f"messages/{one}/modify", "POST", json={"addLabelIds": ["NONE"]}))[0] == 400


async def test_labels_and_aliases() -> None:
    """Labels tell system from user ones and count; sendAs names the primary address and the aliases."""
    async with client(3) as gmail:
        gmail.account.mailbox.create_label("Key accounts")
        _, labels = await gmail.ask("labels")
        assert {one["type"] for one in labels["labels"] if one["name"] == "Key accounts"} == {"user"}
        _, inbox = await gmail.ask("labels/INBOX")
        assert (inbox["messagesTotal"], inbox["messagesUnread"], inbox["threadsTotal"]) == (3, 3, 3)
        _, aliases = await gmail.ask("settings/sendAs")
        primary = [(one["sendAsEmail"], one["isPrimary"]) for one in aliases["sendAs"]]
        assert primary == [("jana@nordwerk.example", True), ("info@nordwerk.example", False)]


async def test_sending_puts_a_message_into_sent() -> None:
    """A sent message is stored with label SENT and found by its Message-ID."""
    async with client() as gmail:
        raw = base64.urlsafe_b64encode(mail(4)).decode().rstrip("=")
        status, answer = await gmail.ask("messages/send", "POST", json={"raw": raw})
        assert (status, answer["labelIds"]) == (200, ["SENT"])
        _, found = await gmail.ask("messages", params={"q": "rfc822msgid:m4@a.example"})
        assert found["messages"][0]["id"] == answer["id"]
        assert (await gmail.ask("messages/send", "POST", json={"raw": "***"}))[0] == 400


async def test_watch_and_push_body() -> None:
    """A watch answers history id and expiry in seven days; the push body names the address and the newest id."""
    async with client(1) as gmail:
        _, answer = await gmail.ask("watch", "POST", json={"topicName": "projects/p/topics/t"})
        assert int(answer["expiration"]) == int((START + timedelta(days=8)).timestamp() * 1000)
        message = gmail.sandbox.push_body(gmail.account)["message"]
        assert isinstance(message, dict)
        assert str(gmail.account.mailbox.history_id) in base64.b64decode(message["data"]).decode()
        assert (await gmail.ask("stop", "POST"))[0] == 204
        assert gmail.account.mailbox.watch_topic is None
        assert (await gmail.ask("watch", "POST", json={"topicName": "t"}))[0] == 400


async def test_tokens_and_users_are_checked() -> None:
    """No token and a stale one are 401 authError; another user's path is 403."""
    async with client(1) as gmail:
        assert (await gmail.ask("profile", headers={"Authorization": ""}))[0] == 401
        assert "Authorization" in gmail.sandbox.log.violations[0]
        url = f"{gmail.sandbox.api_url}/gmail/v1/users/other@nordwerk.example/profile"
        async with gmail.http.get(url) as response:
            assert response.status == 403
        gmail.sandbox.grants.expire_access()
        status, answer = await gmail.ask("profile")
        assert (status, answer["error"]["errors"][0]["reason"]) == (401, "authError")


async def test_scopes_are_checked() -> None:
    """A read-only grant cannot change; a metadata grant sees no bodies and may not search."""
    async with client(1, "https://www.googleapis.com/auth/gmail.readonly") as gmail:
        one = next(iter(gmail.account.mailbox.messages))
        assert (await gmail.ask(f"messages/{one}/trash", "POST", json={}))[0] == 403
    async with client(1, "https://www.googleapis.com/auth/gmail.metadata") as gmail:
        one = next(iter(gmail.account.mailbox.messages))
        assert (await gmail.ask(f"messages/{one}"))[0] == 403
        assert (await gmail.ask(f"messages/{one}", params={"format": "metadata"}))[0] == 200
        assert (await gmail.ask("messages", params={"q": "from:ann"}))[0] == 403


async def test_quota_runs_out_and_comes_back() -> None:
    """Units are taken by method; an overdraft is a usage-limit 403 that names when to come back, and then it works."""
    clock = StoppedClock(START)
    async with client(3, quota=Quota(11), now=clock) as gmail:
        assert (await gmail.ask("messages"))[0] == 200
        assert (await gmail.ask("messages"))[0] == 200
        status, answer = await gmail.ask("messages")
        assert (status, answer["error"]["errors"][0]["domain"]) == (403, "usageLimits")
        assert "Retry after 2026-03-01T12:01:00.000Z" in answer["error"]["message"]
        assert (await gmail.ask("profile"))[0] == 200
        clock.advance(60)
        assert (await gmail.ask("messages"))[0] == 200
        assert gmail.sandbox.quota.spent(gmail.account.email) == 5


async def test_wrong_parameters_and_paths_are_violations() -> None:
    """An unknown parameter, operator, format or path is refused and noted."""
    async with client(1) as gmail:
        one = next(iter(gmail.account.mailbox.messages))
        assert (await gmail.ask("messages", params={"limit": "3"}))[0] == 400
        assert (await gmail.ask("messages", params={"q": "sender:ann"}))[0] == 400
        assert (await gmail.ask(f"messages/{one}", params={"format": "text"}))[0] == 400
        assert (await gmail.ask("mails"))[0] == 404
        assert (await gmail.ask(f"messages/{one}/modify", "POST", data="x=1"))[0] == 400
        assert len(gmail.sandbox.log.violations) == 5


async def test_accounts_do_not_see_each_other() -> None:
    """Each account's token opens its own mailbox only."""
    async with client(2) as gmail:
        other = gmail.sandbox.add_account("tim@nordwerk.example")
        message = other.mailbox.add(mail(1))
        assert (await gmail.ask(f"messages/{message.id}"))[0] == 404
        token = gmail.sandbox.grants.refresh(other.refresh_token).access_token
        _, profile = await gmail.ask("profile", headers={"Authorization": f"Bearer {token}"})
        assert (profile["emailAddress"], profile["messagesTotal"]) == ("tim@nordwerk.example", 1)


async def test_planned_status_faults_come_in_order() -> None:
    """Planned faults hit only the paths they are meant for, each once, and keep Retry-After as it was given."""
    async with client(1) as gmail:
        gmail.sandbox.faults.next(faults.rate_limited("7"), faults.quota_exceeded(), path="/messages$")
        assert (await gmail.ask("profile"))[0] == 200
        async with gmail.http.get(f"{gmail.sandbox.api_url}/gmail/v1/users/me/messages") as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "7")
        assert [(await gmail.ask("messages"))[0] for _ in range(2)] == [403, 200]
        assert gmail.sandbox.faults.left() == 0


async def test_cut_and_malformed_answers() -> None:
    """A cut answer breaks in the middle of the body, a malformed one is no JSON, and the call after is whole."""
    async with client(1) as gmail:
        gmail.sandbox.faults.next(faults.cut(), faults.malformed_json())
        with pytest.raises(aiohttp.ClientPayloadError):
            await gmail.ask("messages")
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            await gmail.ask("messages")
        assert (await gmail.ask("messages"))[0] == 200
        assert [record.status for record in gmail.sandbox.log.requests] == [0, 200, 200]


async def test_only_the_wanted_fields_come() -> None:
    """A `fields` mask cuts the answer down to what it names, in lists too; a wrong one is refused and noted."""
    async with client(2) as gmail:
        _, listed = await gmail.ask("messages", params={"maxResults": 1, "fields": "messages(id),nextPageToken"})
        assert listed.keys() == {"messages", "nextPageToken"}
        assert [one.keys() for one in listed["messages"]] == [{"id"}]
        one = next(iter(gmail.account.mailbox.messages))
        _, shown = await gmail.ask(f"messages/{one}", params={"fields": "payload/headers/name"})
        assert shown["payload"]["headers"][0] == {"name": "From"}
        assert (await gmail.ask("messages", params={"fields": "messages(id"}))[0] == 400
        assert len(gmail.sandbox.log.violations) == 1


@pytest.mark.parametrize("piece", ["(", "a(", "a/", ",", "a,", ")", "a b", "é"])
def test_hostile_field_masks_end(piece: str) -> None:
    """Long runs of any piece of mask syntax are refused, never a hang or a crash."""
    with pytest.raises(WrongMaskError):
        parse_mask(piece * 5_000)
