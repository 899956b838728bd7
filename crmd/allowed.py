"""What texts from outside may look like: each pattern stands beside its words, for no person should read a pattern."""

from __future__ import annotations

URL = r"^https?://[^\s/]"
MAIL_ADDRESS = r"^[^\s<>@,;]+@[^\s<>@,;]+$"
HOST = r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$"
VISIBLE = "^[ -~]*$"
EVENT_TYPE = r"^[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63}){1,4}$(?!\n)"
EVENT_PATTERN = r"^(\*|[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63}){0,3}(\.\*)?)$(?!\n)"
EVENT_WISH = r"^(\*|[a-z][a-z0-9_]{0,63}\.(\*|[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63}){0,3}))$(?!\n)"
SCHEDULE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.:@+-]{0,199}$"

WORDS = {
    URL: "an address that begins with http:// or https://",
    MAIL_ADDRESS: "one mail address, as ops@example.com",
    HOST: "a host's name or IP address, perhaps with a port, as crm.internal:8080 or [::1]:8080",
    VISIBLE: "ASCII characters that can be seen",
    EVENT_TYPE: "an event type: two to five words of a-z, 0-9 and _ with dots between, as contact.created",
    EVENT_PATTERN: "an event type, as contact.created, all below one, as contact.*, or *",
    EVENT_WISH: "an event type, as contact.created, all below one, as contact.*, or *",
    SCHEDULE_NAME: "a name of up to 200 letters, digits and _ . : @ + - that begins with a letter or digit",
}


def worded(text: str) -> str:
    """A message of msgspec with the words of a pattern in the pattern's place."""
    for pattern, words in WORDS.items():
        text = text.replace(f"`str` matching regex {pattern!r}", words)
    return text
