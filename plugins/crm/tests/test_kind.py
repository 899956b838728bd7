from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from crmd_crm.mail import MailKind, Verdict, classify, parse_message

if TYPE_CHECKING:
    from tests.conftest import Build, Corpus

BOUNCE_TEXT = "I'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients.\n"
REPORT = (
    "--b\n\nSorry.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
    "Final-Recipient: rfc822; Bob@Y.example\nAction: {action}\nStatus: {status}\n"
    "Diagnostic-Code: smtp; 550 5.1.1 <bob@y.example>\n unknown\n\n"
    "--b\nContent-Type: message/rfc822\n\nMessage-ID: <sent-1@x.example>\nFrom: a@x.example\n\nHi\n--b--\n"
)


def kind_of(raw: bytes) -> Verdict:
    """The verdict over a raw message."""
    return classify(parse_message(raw))


def test_a_report_names_who_was_not_reached(build: Build) -> None:
    """RFC 3464: recipient, action, status, diagnostic, and the id of the message that came back."""
    verdict = kind_of(
        build(
            "From: MAILER-DAEMON@mx.example",
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
            body=REPORT.format(action="failed", status="5.1.1"),
        )
    )
    assert (verdict.kind, verdict.yields_people) == (MailKind.BOUNCE, False)
    assert verdict.bounce is not None
    assert verdict.bounce.original_message_id == "sent-1@x.example"
    [recipient] = verdict.bounce.recipients
    assert (recipient.address, recipient.action, recipient.status) == ("bob@y.example", "failed", "5.1.1")
    assert recipient.diagnostic == "smtp; 550 5.1.1 <bob@y.example> unknown"


def test_a_report_of_success_is_no_bounce(build: Build) -> None:
    """A message that was delivered didn't bounce, and its report yields nobody."""
    verdict = kind_of(
        build(
            "From: MAILER-DAEMON@mx.example",
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
            body=REPORT.format(action="delivered", status="2.0.0"),
        )
    )
    assert (verdict.kind, verdict.bounce) == (MailKind.AUTO_REPLY, None)


@pytest.mark.parametrize(
    ("headers", "body", "address"),
    [
        (["From: MAILER-DAEMON (Mail System)", "Subject: failure notice"], "<bob@y.example>:\n550 no such user", True),
        (["From: postmaster@mx.example", "Subject: Undeliverable: Offer"], BOUNCE_TEXT + "\nbob@y.example\n", True),
        (["From: x@mx.example", "X-Failed-Recipients: bob@y.example", "Subject: Mail delivery failed"], "Hm.", True),
        (["From: Postmaster <postmaster@mx.example>", "Subject: Unzustellbar: Angebot"], "bob@y.example", True),
        (["From: <>", "Subject: Offer"], "<bob@y.example>: 550 5.1.1 unknown", True),
        (["From: sys@mx.example", "X-MS-Embedded-Report:", "Subject: Undeliverable"], "bob@y.example", True),
        (["Return-Path: <>", "From: mail@mx.example", "Subject: Mail"], "<bob@y.example>: 550 5.1.1 unknown", True),
        (
            ["From: mailer-daemon@mx.example", "Subject: =?utf-8?B?0J3QtdC00L7RgdGC0LDQstC70LXQvdC90L7QtQ==?="],
            "",
            False,
        ),
        (
            ["From: no-reply@mx.example", "Subject: Undelivered Mail", "Auto-Submitted: auto-replied"],
            BOUNCE_TEXT,
            False,
        ),
    ],
)
def test_returned_mail_without_a_report_is_recognised(
    build: Build, headers: list[str], body: str, *, address: bool
) -> None:
    """Plain-text bounces of many systems are bounces, and the recipient is found where one is named."""
    verdict = kind_of(build("To: a@x.example", *headers, body=body))
    assert verdict.kind is MailKind.BOUNCE
    assert verdict.bounce is not None
    assert [each.address for each in verdict.bounce.recipients] == (["bob@y.example"] if address else [])


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (
            ["Subject: Delivery failed again?"],
            "My parcel was not delivered: user unknown, they say. Delivery has failed.",
        ),
        (
            ["Subject: Re: Undeliverable: Offer", "In-Reply-To: <1@x>"],
            "> 550 5.1.1 user unknown\n\nUse my new address.",
        ),
        (
            ["Subject: Fwd: Mail delivery failed"],
            "What does this mean?\n\n" + BOUNCE_TEXT + "\nReturn-Path: <a@x.example>",
        ),
        (["Subject: Bounce rate"], "Our last campaign bounced: 550 5.1.1 for 12 recipients. Message-ID: was fine."),
        (["Subject: Returned mail from the post office"], "It could not be delivered to your house."),
        (["Subject: Out of office next week"], "I am away from Monday. Shall we meet on Friday?"),
        (["Subject: Vacation plans"], "Where do we go?"),
        (["Subject: Abuse report for Q3"], "Attached are the numbers."),
        (["Subject: Mail system administrator wanted"], "We are hiring."),
        (["From: Postmaster <postmaster@y.example>", "Subject: Move"], "The old archive does not exist any more."),
        (["From: administrator@y.example", "Subject: Backup"], "Error: quota exceeded on disk 2. Can you look?"),
        (["Subject: Hello", "Return-Path: <ada@x.example>"], "The mailbox is full of letters."),
    ],
)
def test_a_person_s_mail_about_bouncing_is_mail(build: Build, headers: list[str], body: str) -> None:
    """Who writes about returned mail, holidays or complaints is still a person."""
    sender = [] if headers[0].startswith("From:") else ["From: Ada <ada@x.example>"]
    verdict = kind_of(build(*sender, "To: b@y.example", *headers, body=body))
    assert (verdict.kind, verdict.yields_people) == (MailKind.MAIL, True)


def test_a_forwarded_bounce_is_mail(build: Build) -> None:
    """A bounce that somebody attaches is what they talk about, not what they send."""
    inner = (
        "From: MAILER-DAEMON@mx.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
    )
    body = f"--o\n\nLook at this.\n--o\nContent-Type: message/rfc822\n\n{inner}{REPORT}--o--\n"
    raw = build("From: ada@x.example", "Subject: Help", "Content-Type: multipart/mixed; boundary=o", body=body)
    assert kind_of(raw).kind is MailKind.MAIL


@pytest.mark.parametrize(
    "headers",
    [
        ["Auto-Submitted: auto-replied", "Subject: Re: Offer"],
        ["X-Autoreply: yes", "Subject: Offer"],
        ["Precedence: auto_reply", "Subject: Hello"],
        ["Subject: Automatic reply: Offer"],
        ["Subject: Out of Office: Offer", "X-Auto-Response-Suppress: All"],
        ["Subject: Abwesenheitsnotiz", "In-Reply-To: <1@x>"],
        ["Subject: =?utf-8?q?R=C3=A9ponse_automatique_:_Offre?="],
        ["Subject: =?utf-8?B?6Ieq5YuV6L+U5L+h?="],
        ["Subject: Away until May 5", "Return-Path: <>"],
        ["X-Apple-Action: OOF/", "Subject: Hello"],
    ],
)
def test_answers_that_nobody_wrote_are_recognised(build: Build, headers: list[str]) -> None:
    """Vacation replies, by header or by subject in several languages, yield nobody."""
    verdict = kind_of(build("From: Ada <ada@x.example>", "To: b@y.example", *headers, body="I am away."))
    assert (verdict.kind, verdict.yields_people) == (MailKind.AUTO_REPLY, False)


def test_complaints_are_feedback(build: Build) -> None:
    """An ARF report, and the older kind that only attaches the message, are feedback."""
    arf = "--b\n\nAbuse.\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n--b--\n"
    old = "--b\nContent-Type: message/rfc822\n\nFrom: a@x.example\n\nBuy\n--b--\n"
    for subject, kind, body in (
        ("Fw: Offer", 'multipart/report; report-type="feedback-report"', arf),
        ("complaint about message from 192.0.2.1", "multipart/mixed", old),
    ):
        raw = build("From: fbl@isp.example", f"Subject: {subject}", f"Content-Type: {kind}; boundary=b", body=body)
        assert kind_of(raw).kind is MailKind.FEEDBACK


def test_a_read_receipt_yields_nobody(build: Build) -> None:
    """A disposition notification is an answer of a program."""
    raw = build(
        "From: b@y.example",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
        body="--b--",
    )
    assert kind_of(raw).yields_people is False


@pytest.mark.parametrize(
    "header", ["List-Id: <l.x.example>", "List-Unsubscribe: <mailto:u@x.example>", "Precedence: bulk"]
)
def test_lists_and_newsletters_are_bulk(build: Build, header: str) -> None:
    """Mail to many is told from mail to one; its people are people."""
    verdict = kind_of(build("From: Ada <ada@x.example>", header, "Subject: News"))
    assert (verdict.kind, verdict.yields_people) == (MailKind.BULK, True)


def test_real_bounces_are_recognised(corpus: Corpus) -> None:
    """Of the real bounces, vacation replies and complaints at least 95 % are recognised and yield nobody."""
    files = corpus("bounces/*.eml")
    missed = [path.name for path in files if kind_of(path.read_bytes()).yields_people]
    assert len(missed) <= len(files) * 0.05, missed


def test_real_bounces_name_their_recipients(corpus: Corpus) -> None:
    """Of the real bounces at least 95 % tell who wasn't reached."""
    verdicts = [kind_of(path.read_bytes()) for path in corpus("bounces/*.eml")]
    bounces = [verdict.bounce for verdict in verdicts if verdict.bounce is not None]
    named = [bounce for bounce in bounces if bounce.recipients]
    assert len(named) >= len(bounces) * 0.95


def test_real_mail_is_not_taken_for_bounces(corpus: Corpus) -> None:
    """People's real mail stays mail: only the known reports among it are anything else."""
    kinds = {path.name: kind_of(path.read_bytes()) for path in corpus("mail/*/*.eml")}
    machine = {name for name, verdict in kinds.items() if not verdict.yields_people}
    reports = {path.name for path in corpus("mail/multipart_report_emails/*.eml")}
    assert machine == reports | {"raw_email_with_mimepart_without_content_type.eml"}
    assert Counter(verdict.kind for verdict in kinds.values())[MailKind.MAIL] > len(kinds) * 0.9
