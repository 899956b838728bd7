"""What sort of mail a message is: a person's, a list's, or a machine's answer of one of three sorts."""

from dataclasses import dataclass
from enum import StrEnum

from crmd_crm.mail import phrases
from crmd_crm.mail.bounce import Bounce, find_bounce, has_null_sender, is_daemon, notification_type
from crmd_crm.mail.message import ParsedMail
from crmd_crm.mail.report import read_reports


class MailKind(StrEnum):
    """The sorts of mail, as stored in crm.message.kind."""

    MAIL = "mail"
    BULK = "bulk"
    BOUNCE = "bounce"
    AUTO_REPLY = "auto_reply"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The kind, and the bounce's details when it is one."""

    kind: MailKind
    bounce: Bounce | None = None

    @property
    def yields_people(self) -> bool:
        """Whether the addresses in the message are people somebody corresponds with."""
        return self.kind in {MailKind.MAIL, MailKind.BULK}


_FEEDBACK_REPORTS = frozenset({"feedback-report", "tlsrpt", "dmarc"})
_AUTO_HEADERS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-mail-autoreply",
    "x-autoreply-from",
    "x-vacation",
)
_BULK_PRECEDENCE = frozenset({"bulk", "list", "junk"})
_BULK_HEADERS = (
    "list-id",
    "list-unsubscribe",
    "list-post",
    "x-campaign",
    "x-campaignid",
    "x-mailinglist",
    "feedback-id",
)


def classify(mail: ParsedMail) -> Verdict:
    """The kind of mail. The order matters: a report about a newsletter is a report, a list's vacation reply a reply."""
    if _is_feedback(mail):
        return Verdict(MailKind.FEEDBACK)
    is_answer = _is_auto_reply(mail)
    if is_answer and not is_daemon(mail) and phrases.AUTO_REPLY_SUBJECT.search(_subject(mail)) is not None:
        return Verdict(MailKind.AUTO_REPLY)
    bounce = find_bounce(mail)
    if bounce is not None:
        return Verdict(MailKind.BOUNCE, bounce)
    if is_answer or _is_receipt(mail):
        return Verdict(MailKind.AUTO_REPLY)
    return Verdict(MailKind.BULK if _is_bulk(mail) else MailKind.MAIL)


def _subject(mail: ParsedMail) -> str:
    return mail.subject.lower()[:300]


def _report_type(mail: ParsedMail) -> str:
    return mail.tree.content.parameters.get("report-type", "").lower()


def _is_feedback(mail: ParsedMail) -> bool:
    """A complaint or an authentication report (RFC 5965 and its relatives)."""
    if _report_type(mail) in _FEEDBACK_REPORTS or notification_type(mail) == "Complaint":
        return True
    parts = list(mail.tree.walk())
    if any(part.type == "message/feedback-report" for part in parts):
        return True
    if phrases.COMPLAINT_SUBJECT.search(_subject(mail)) is None:
        return False
    return any(
        part.type in {"message/rfc822", "text/rfc822-headers"} or part.type.startswith("application/") for part in parts
    )


def _is_auto_reply(mail: ParsedMail) -> bool:
    """An answer that nobody wrote (RFC 3834 and what came before it)."""
    headers = mail.headers
    submitted = headers.line("auto-submitted").lower()
    if submitted.startswith(("auto-replied", "auto-reply")):
        return True
    if headers.line("precedence").lower().replace("-", "_").strip() == "auto_reply":
        return True
    if headers.line("x-apple-action").lower().startswith("oof"):
        return True
    if any(headers.line(name).strip().lower() not in {"", "no", "false", "0"} for name in _AUTO_HEADERS):
        return True
    found = phrases.AUTO_REPLY_SUBJECT.search(_subject(mail))
    if found is None:
        return False
    is_machine = has_null_sender(mail) or submitted.startswith("auto") or bool(headers.raw("x-auto-response-suppress"))
    is_sure = phrases.SURE_AUTO_REPLY.search(_subject(mail)) is not None or mail.in_reply_to is not None
    return is_machine or is_sure or ":" in _subject(mail)[: found.end() + 20]


def _is_receipt(mail: ParsedMail) -> bool:
    """A read receipt (RFC 8098), or a report or notification that delivery succeeded."""
    if _report_type(mail) == "disposition-notification":
        return True
    if notification_type(mail) is not None:
        return True
    return any(each.action not in {"failed", "delayed"} for each in read_reports(mail.tree))


def _is_bulk(mail: ParsedMail) -> bool:
    headers = mail.headers
    return headers.line("precedence").lower().strip() in _BULK_PRECEDENCE or any(
        headers.line(name) for name in _BULK_HEADERS
    )
