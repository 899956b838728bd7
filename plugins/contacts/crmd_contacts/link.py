"""Web addresses in a signature: profiles and sites of the sender."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from crmd_contacts.domain import domain_label, has_listed_suffix, is_personal, registrable_domain

_LINE_LENGTH_MAX = 300
_URL_LENGTH_MAX = 200
_URL = re.compile(r"(?i)(?:https?://|www\.)[^\s<>()|\"'\[\]]{3,200}")
_PROFILE = re.compile(r"(?i)(?<![\w@./])(?:linkedin\.com/in/|xing\.com/profile/|github\.com/)[\w.\-%/]{2,100}")
_BARE = re.compile(r"(?i)(?<![\w@.\-/])(?:[a-z0-9\-]{1,40}\.){1,3}[a-z]{2,10}(?:/[\w\-./%]{0,80})?(?![\w@])")
_EMAIL = re.compile(r"[^\s@<>()|,;:]{1,64}@[^\s@<>()|,;:]{1,100}")
_KINDS = {
    **{host: host for host in ("linkedin", "xing", "github", "gitlab", "x", "facebook", "instagram", "mastodon")},
    **{host: host for host in ("youtube", "tiktok", "threads")},
    "twitter": "x",
    "bsky": "bluesky",
    "calendly": "calendar",
    "cal": "calendar",
}
_OWN_KINDS = frozenset(("linkedin", "xing", "github", "gitlab", "x", "mastodon", "bluesky", "website"))
_FILE_ENDINGS = (".pdf", ".doc", ".docx", ".xls", ".xlsx", ".zip", ".ing", ".md", ".mov")
_MACHINE_LABELS = frozenset(
    ("aka", "bit", "goo", "t", "lnkd", "safelinks", "urldefense", "mailtrack", "hubspot", "google")
)


@dataclass(frozen=True, slots=True)
class Link:
    """A web address: with scheme, host in lower case, without query, and what kind of place it is."""

    url: str
    kind: str

    @property
    def domain(self) -> str:
        """The registrable domain it lies under."""
        return registrable_domain(urlsplit(self.url).hostname or "")


def links_in(line: str) -> list[Link]:
    """The links of one signature line, in order, at most five."""
    text = _EMAIL.sub(" ", line[:_LINE_LENGTH_MAX])
    found: list[Link] = []
    for pattern in (_URL, _PROFILE, _BARE):
        written = [match.group() for match in pattern.finditer(text)]
        if pattern is _BARE:
            written = [bare for bare in written if _is_host(bare.partition("/")[0].lower())]
        found += [link for each in written if (link := _link(each)) and link not in found]
        text = pattern.sub(" ", text)
    return found[:5]


def without_links(line: str) -> str:
    """What the line says besides web and mail addresses."""
    text = _EMAIL.sub(" | ", line[:_LINE_LENGTH_MAX])
    for pattern in (_URL, _PROFILE, _BARE):
        text = pattern.sub(" | ", text)
    return text


def _link(text: str) -> Link | None:
    bare = text.rstrip(".,;:/*_)")
    try:
        parts = urlsplit(bare if "://" in bare else f"https://{bare}")
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    if not registrable_domain(host) or not host.isascii():
        return None
    kind = _KINDS.get(domain_label(host), "website")
    if kind not in _OWN_KINDS or domain_label(host) in _MACHINE_LABELS or (kind == "website" and is_personal(host)):
        return None
    if kind != "website" and not parts.path.strip("/"):
        return None
    return Link(f"{parts.scheme.lower()}://{host}{parts.path.rstrip('/')}"[:_URL_LENGTH_MAX], kind)


def _is_host(bare: str) -> bool:
    return has_listed_suffix(bare) and not bare.endswith(_FILE_ENDINGS)
