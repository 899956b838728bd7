"""Mail read as it is: bytes in, subject, addresses, dates, text and attachments out. Pure: no database, no network."""

from crmd_crm.mail.address import Address, clean_address, read_addresses
from crmd_crm.mail.bounce import Bounce
from crmd_crm.mail.content import Attachment
from crmd_crm.mail.kind import MailKind, Verdict, classify
from crmd_crm.mail.limits import DEFAULT_LIMITS, MailLimits
from crmd_crm.mail.message import ParsedMail, Unparseable, parse_message
from crmd_crm.mail.report import BouncedRecipient

__all__ = [
    "DEFAULT_LIMITS",
    "Address",
    "Attachment",
    "Bounce",
    "BouncedRecipient",
    "MailKind",
    "MailLimits",
    "ParsedMail",
    "Unparseable",
    "Verdict",
    "classify",
    "clean_address",
    "parse_message",
    "read_addresses",
]
