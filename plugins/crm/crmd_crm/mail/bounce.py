"""Returned mail recognised: by its report, or by who sent it together with what it says.

One sign is never enough where a person could give it: a mail about bouncing, or one from a postmaster, stays a mail.
"""

import re
from dataclasses import dataclass

from crmd_crm.mail import phrases
from crmd_crm.mail.address import Address, clean_address
from crmd_crm.mail.header import one_line
from crmd_crm.mail.message import ParsedMail
from crmd_crm.mail.report import STATUS_TYPES, BouncedRecipient, find_status, read_reports, returned_message_id

_TEXT_CHARS_MAX = 16 * 1024
_RECIPIENTS_MAX = 1_000
_DIAGNOSTIC_CHARS_MAX = 1_000
_LINE_ADDRESS = re.compile(
    r"^[^\w<\"']{0,8}[<\"']?([^\s<>\"'(),:;]{1,64}@[^\s<>\"'(),:;]{3,190})[>\"']?(?=[\s:;,.(>]|$)", re.MULTILINE
)
_ANY_ADDRESS = re.compile(r"(?<![^\s<>\"'(),:;=])([^\s<>\"'(),:;=@]{1,64}@[^\s<>\"'(),:;@]{3,190})")
_MESSAGE_ID = re.compile(r"^[> \t]{0,8}message-id: {0,4}<?([^<>\s]{3,300})", re.IGNORECASE | re.MULTILINE)
_NO_REPLY = re.compile(r"(do[-_.]?)?no(t)?[-_.]?reply|noreply|no[-_.]response")
_SNS = re.compile(r'(?:notification|event)Type\\?"\s{0,3}:\s{0,3}\\?"([A-Za-z]{3,30})\\?"')


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a returned mail reports: who wasn't reached, and the Message-ID of what was returned (None: not told)."""

    recipients: tuple[BouncedRecipient, ...]
    original_message_id: str | None


def find_bounce(mail: ParsedMail) -> Bounce | None:
    """The bounce that mail is; None when it is none (a report of success is none either)."""
    reported = tuple(read_reports(mail.tree))[:_RECIPIENTS_MAX]
    failed = tuple(each for each in reported if each.action in {"failed", "delayed"})
    if reported and not failed:
        return None
    if not failed and not _is_returned(mail):
        return None
    recipients = failed or _named_recipients(mail)
    original_id = returned_message_id(mail.tree) or _message_id_in(mail.text)
    return Bounce(recipients, original_id)


def _is_returned(mail: ParsedMail) -> bool:
    """Whether mail without a readable report is a returned one nonetheless."""
    if mail.headers.raw("x-failed-recipients") is not None or notification_type(mail) == "Bounce":
        return True
    if mail.headers.raw("x-ms-embedded-report") is not None or "dsn" in mail.headers.line("content-class").lower():
        return True
    if _has_report_part(mail):
        return True
    return is_daemon(mail) or _says_returned(mail)


def _says_returned(mail: ParsedMail) -> bool:
    """Two signs or more: a machine's envelope, a telling subject, a telling text, the returned message itself."""
    text = mail.text[:_TEXT_CHARS_MAX].lower()
    has_reply_code = phrases.SMTP_REPLY.search(text) is not None
    is_failure_text = has_reply_code or phrases.FAILED_TEXT.search(text) is not None
    is_failure_subject = phrases.FAILED_SUBJECT.search(mail.subject.lower()[:300]) is not None
    is_reply = mail.in_reply_to is not None or phrases.REPLY_PREFIX.match(mail.subject) is not None
    if has_null_sender(mail):
        is_answer = mail.headers.line("auto-submitted").lower().startswith("auto-repl")
        return is_failure_subject or (is_failure_text and not is_reply and (has_reply_code or not is_answer))
    if is_postmaster(mail):
        is_told = is_failure_text and not is_reply and (has_reply_code or _returns_message(mail))
        return is_failure_subject or is_told
    if is_reply or not is_failure_text:
        return False
    is_machine = _is_machine(mail)
    return (is_failure_subject and (is_machine or _returns_message(mail))) or (is_machine and _returns_message(mail))


def _has_report_part(mail: ParsedMail) -> bool:
    report_type = mail.tree.content.parameters.get("report-type", "").lower()
    if report_type == "delivery-status":
        return True
    return any(part.type in STATUS_TYPES for part in mail.tree.walk())


def is_daemon(mail: ParsedMail) -> bool:
    """Whether the sender is a mail system, by name or address; nobody answers from there."""
    senders = mail.from_ or mail.sender
    if any(_local(each) is not None and phrases.DAEMON_LOCAL.fullmatch(_local(each) or "") for each in senders):
        return True
    names = (each.name.lower()[:200] for each in senders)
    is_named = any(phrases.DAEMON_NAME.search(name) is not None for name in names)
    return is_named and (not any(each.address for each in senders) or is_postmaster(mail) or has_null_sender(mail))


def is_postmaster(mail: ParsedMail) -> bool:
    """Whether the sender's address is one that postmasters, who are people too, write from."""
    return any(
        phrases.POSTMASTER_LOCAL.fullmatch(_local(each) or "") is not None for each in (*mail.from_, *mail.sender)
    )


def has_null_sender(mail: ParsedMail) -> bool:
    """Whether the envelope's sender (or the sender shown) is <> or a daemon: mail that must not be answered."""
    if mail.headers.line("from").strip() == "<>":
        return True
    if not mail.headers.raw_all("return-path"):
        return False
    path = mail.headers.line("return-path").strip().lower()
    return path in {"<>", "<null>"} or phrases.DAEMON_LOCAL.fullmatch(path.strip("<>").partition("@")[0]) is not None


def notification_type(mail: ParsedMail) -> str | None:
    """Bounce, Complaint, Delivery … when the text is a sending service's JSON notification, else None."""
    if not mail.headers.line("x-amz-sns-message-id"):
        return None
    match = _SNS.search(mail.text[:2_000])
    return match[1] if match is not None else None


def _local(address: Address) -> str | None:
    if address.address is not None:
        return address.address.partition("@")[0]
    return address.name.lower()[:100] or None


def _returns_message(mail: ParsedMail) -> bool:
    if any(part.type in {"message/rfc822", "text/rfc822-headers"} for part in mail.tree.walk()):
        return True
    return phrases.ORIGINAL_STARTS.search(mail.text[: 4 * _TEXT_CHARS_MAX].lower()) is not None


def _is_machine(mail: ParsedMail) -> bool:
    """Whether a program says of itself that it wrote the message."""
    if mail.headers.line("auto-submitted").lower().startswith("auto") or mail.headers.line("x-mlserver"):
        return True
    return any(_NO_REPLY.match(each.address or "") is not None for each in mail.from_)


def _named_recipients(mail: ParsedMail) -> tuple[BouncedRecipient, ...]:
    """Recipients as a header or the report's text names them, with the status and reply that stand behind each."""
    text = mail.text[:_TEXT_CHARS_MAX]
    cut = phrases.ORIGINAL_STARTS.search(text.lower())
    report = text[: cut.start()] if cut is not None and cut.start() > 0 else text
    header = (clean_address(each) for each in mail.headers.line("x-failed-recipients").split(","))
    found = [each for each in header if each] or _addresses_in(report, mail)
    action = "delayed" if re.search(r"dela(y|i)|temporar|will be retried|warning", mail.subject.lower()) else "failed"
    return tuple(_recipient(report, address, action) for address in found[:_RECIPIENTS_MAX])


def _addresses_in(report: str, mail: ParsedMail) -> list[str]:
    """Addresses a report names, those at the start of a line first; the reader's own only when nobody else is named."""
    own = {each.address for each in (*mail.to, *mail.from_, *mail.reply_to, *mail.cc)}
    named: list[str] = []
    for pattern in (_LINE_ADDRESS, _ANY_ADDRESS):
        cleaned = (clean_address(match[1].rstrip(".")) for match in pattern.finditer(report))
        named = [each for each in dict.fromkeys(cleaned) if each]
        others = [each for each in named if each not in own and not _is_daemon_address(each)]
        if others:
            return others
    return named[:1]


def _recipient(report: str, address: str, action: str) -> BouncedRecipient:
    at = max(report.lower().find(address), 0)
    behind = report[at + len(address) : at + len(address) + _DIAGNOSTIC_CHARS_MAX]
    reply = phrases.SMTP_REPLY.search(behind.lower())
    line_start = behind.rfind("\n", 0, reply.start()) + 1 if reply is not None else 0
    diagnostic = one_line(behind[line_start:].partition("\n\n")[0]).strip(">: ")
    return BouncedRecipient(address, action, find_status(behind) or find_status(report), diagnostic)


def _is_daemon_address(address: str) -> bool:
    local = address.partition("@")[0]
    return phrases.DAEMON_LOCAL.fullmatch(local) is not None or phrases.POSTMASTER_LOCAL.fullmatch(local) is not None


def _message_id_in(text: str) -> str | None:
    match = _MESSAGE_ID.search(text[: 4 * _TEXT_CHARS_MAX])
    return match[1] if match is not None else None
