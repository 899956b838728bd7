"""How much of a message is read: every bound of the mail parser, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MailLimits:
    """Bounds for one message; what exceeds a bound is cut and named in `defects`, only a too big message is refused."""

    message_bytes_max: int = 35 * 1024 * 1024
    header_bytes_max: int = 1024 * 1024
    header_fields_max: int = 2_000
    parts_max: int = 1_000
    depth_max: int = 30
    text_chars_max: int = 512 * 1024
    html_chars_max: int = 512 * 1024
    addresses_max: int = 10_000
    attachments_max: int = 1_000
    references_max: int = 100


DEFAULT_LIMITS = MailLimits()
