"""Takes out of recorded traffic what nobody may keep: credentials, addresses, and what people wrote.

Headers are kept by a list of the harmless ones. In bodies and URLs, what is named like a secret, what looks like one,
and what was seen as one in this recording go; every mail address becomes the same stand-in; texts become a stand-in of
their own. Each pattern is bounded, so a hostile answer costs no more than its length.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

SECRET = "[redacted]"  # noqa: S105 - it stands where one was
ADDRESS = "somebody@redacted.example"
TEXT = "[text]"
TEXT_BASE64 = base64.urlsafe_b64encode(TEXT.encode()).decode()
KEPT_HEADERS = frozenset({"content-type", "retry-after", "date", "etag", "last-modified", "location", "link"})
BODY_CHARS_MAX = 1_000_000
DEPTH_MAX = 40
_SECRET_NAMES = re.compile(
    r"(?i)(?:.{0,40}[_-])?(?:password|passwd|secret|token|api_?key|key|authorization|cookie|code|code_verifier|"
    r"device_code|assertion|signature|session|state)"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_SECRET = frozenset({"page_token", "next_page_token", "sync_token", "next_sync_token", "token_type", "history_id"})
_TEXT_NAMES = frozenset({"raw", "data", "snippet", "body", "html", "text", "subject", "description", "summary", "name"})
_ADDRESS = re.compile(r"[A-Za-z0-9._%+'=-]{1,64}(?:@|%40)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_LOOKS_SECRET = (
    re.compile(r"(?i)\b(?:bearer|basic) [A-Za-z0-9._~+/=-]{4,4000}"),
    re.compile(r"\b(?:ya29\.|1//|xox[a-z]-|gh[a-z]_|sk_|pk_|crmd_)[A-Za-z0-9_./-]{8,600}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_.-]{8,4000}"),
)
_FIELD = re.compile(r"\"([A-Za-z_-]{1,60})\"(\s{0,8}:\s{0,8})\"((?:[^\"\\]|\\.){0,200000})\"")
_HEADER_LINE = re.compile(r"(?im)^(authorization|cookie|set-cookie|x-api-key):[^\r\n]{0,8000}")
_SHORTEST_SECRET = 6


class Redactor:
    """Redacts one recording; what it has once seen as a secret it takes out wherever else it stands."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def headers(self, headers: dict[str, str]) -> dict[str, str]:
        """The harmless ones, by lower-case name; the values of the others are secrets from now on."""
        for name, value in headers.items():
            if name.lower() not in KEPT_HEADERS and _is_secret_name(name):
                for part in value.replace(";", " ").replace("=", " ").split():
                    self._learn(part)
        kept = {name.lower(): value for name, value in headers.items() if name.lower() in KEPT_HEADERS}
        return {name: self.text(kept[name]) for name in sorted(kept)}

    def url(self, url: str) -> str:
        """Without user and password, with its parameters in order."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        pairs = sorted(
            (name, self.value(name, value)) for name, value in parse_qsl(parts.query, keep_blank_values=True)
        )
        return urlunsplit((parts.scheme, host, self.text(parts.path), urlencode(pairs, safe="[]@"), ""))

    def body(self, body: bytes) -> object:
        """JSON as an object, other text as text; of what is no text only the length."""
        try:
            text = body.decode("utf-8")[:BODY_CHARS_MAX]
        except UnicodeDecodeError:
            return {"bytes": len(body)}
        try:
            return self.value("", msgspec.json.decode(text))
        except (msgspec.DecodeError, RecursionError):
            return self._loose(text)

    def form(self, fields: dict[str, str]) -> dict[str, object]:
        """The fields of a form."""
        return {name: self.value(name, value) for name, value in sorted(fields.items())}

    def value(self, name: str, value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value
        """A value, as its name and its look demand."""
        if depth > DEPTH_MAX:
            return SECRET
        if isinstance(value, dict):
            return {key: self.value(key, item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(name, item, depth + 1) for item in value]
        if not isinstance(value, str):
            return SECRET if _is_secret_name(name) and isinstance(value, int) and value > 1 else value
        if _is_secret_name(name):
            self._learn(value)
            return SECRET
        return _stand_in(value) if _snake(name) in _TEXT_NAMES else self.text(value)

    def text(self, text: str) -> str:
        """A text without what is known as a secret, looks like one, or is an address."""
        for secret in self._seen:
            text = text.replace(secret, SECRET)
        for pattern in _LOOKS_SECRET:
            text = pattern.sub(SECRET, text)
        return _ADDRESS.sub(ADDRESS, text)

    def _loose(self, text: str) -> str:
        """A text that is no JSON as a whole, as a multipart body; JSON fields in it are redacted all the same."""
        text = _HEADER_LINE.sub(rf"\g<1>: {SECRET}", text)
        return self.text(_FIELD.sub(lambda found: f'"{found[1]}"{found[2]}"{self.value(found[1], found[3])}"', text))

    def _learn(self, secret: str) -> None:
        if len(secret) >= _SHORTEST_SECRET and secret.lower() not in {"bearer", SECRET}:
            self._seen.add(secret)


def _snake(name: str) -> str:
    return _CAMEL.sub("_", name[:60]).lower().replace("-", "_")


def _is_secret_name(name: str) -> bool:
    snake = _snake(name)
    return snake not in _NOT_SECRET and _SECRET_NAMES.fullmatch(snake) is not None


def _stand_in(text: str) -> str:
    """For a text; what was base64 stays so, since whoever replays it decodes it."""
    if not text:
        return text
    try:
        base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return TEXT
    return TEXT_BASE64 if len(text) >= len(TEXT_BASE64) and " " not in text else TEXT
