"""HTML to the text a reader sees: blocks become lines, quotes get `> `, what is hidden is left out.

lexbor builds the tree, which is safe on broken markup but not linear in every shape of it; so what no mail looks like
is only stripped of its tags.
"""

import html
import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from crmd_crm.mail.absurd import is_absurd

_QUOTE_DEPTH_MAX = 20
_SPACE = re.compile(r"[ \t\r\n\f\v\xa0\u200b\ufeff]+")
_ANY_TAG = re.compile(r"<[^<>]*>")
_HIDDEN = re.compile(r"display\s{0,5}:\s{0,5}none|mso-hide\s{0,5}:\s{0,5}all", re.IGNORECASE)
_NO_MARGIN = re.compile(r"margin(-bottom)?\s{0,5}:\s{0,5}0", re.IGNORECASE)
_SKIPPED_NAMES = "head title script style template noscript svg math object iframe select textarea button"
_SKIPPED = frozenset(_SKIPPED_NAMES.split())
_BLOCKS_NAMES = (
    "address article aside blockquote body center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6"
    " header hr html li main nav ol p pre section table tbody thead tfoot tr ul"
)
_BLOCKS = frozenset(_BLOCKS_NAMES.split())
_SPACED_NAMES = "p h1 h2 h3 h4 h5 h6 ul ol table blockquote pre dl"
_SPACED = frozenset(_SPACED_NAMES.split())


@dataclass(slots=True)
class _Page:
    """The text written so far: whole lines, and the line being written."""

    lines: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    quote_depth: int = 0
    pre_depth: int = 0

    def end_line(self, *, is_forced: bool = False) -> None:
        """Close the current line; an empty one only when forced."""
        line = "".join(self.words)
        line = line.rstrip() if self.pre_depth else _SPACE.sub(" ", line).strip()
        self.words.clear()
        if line or is_forced:
            self.lines.append(("> " * self.quote_depth + line).rstrip())

    def end_block(self) -> None:
        """Close the current line and leave one empty line behind it."""
        self.end_line()
        if self.lines and self.lines[-1].strip("> "):
            self.lines.append((">" * self.quote_depth) if self.quote_depth else "")


def text_of_html(source: str) -> str:
    """The visible text of an HTML document or fragment; never fails."""
    if is_absurd(source):
        return _stripped(source)
    root = LexborHTMLParser(source).body
    if root is None:
        return ""
    page = _Page()
    _write(root, page)
    page.end_line()
    return "\n".join(page.lines).strip("\n")


def _stripped(source: str) -> str:
    lines = html.unescape(_ANY_TAG.sub(" ", source)).splitlines()
    return "\n".join(line for line in (_SPACE.sub(" ", each).strip() for each in lines) if line)


def _write(root: LexborNode, page: _Page) -> None:
    """Walk the tree without recursion: down to the first child, else to the next node, else up."""
    node: LexborNode | None = root
    root_id = root.mem_id  # nodes compare by their HTML, which costs as much as the tree is big
    while node is not None:
        child = node.first_child if _enter(node, page) else None
        if child is not None:
            node = child
            continue
        while node is not None:
            _leave(node, page)
            if node.mem_id == root_id:
                return
            if node.next is not None:
                node = node.next
                break
            node = node.parent


def _enter(node: LexborNode, page: _Page) -> bool:
    """Write what stands before a node's children; False when they aren't shown."""
    tag = node.tag or ""
    if tag == "-text":
        page.words.append(node.text_content or "") if not page.pre_depth else _write_pre(node.text_content or "", page)
        return False
    if tag in _SKIPPED or tag.startswith(("-", "!")) or _is_hidden(node):
        return False
    if tag == "br":
        page.end_line(is_forced=True)
    elif tag in _SPACED and not _is_tight(node):
        page.end_block()
    elif tag in _BLOCKS:
        page.end_line()
    if tag == "li":
        page.words.append("- ")
    elif tag in {"td", "th"}:
        page.words.append(" ")
    elif tag == "blockquote":
        page.quote_depth = min(page.quote_depth + 1, _QUOTE_DEPTH_MAX)
    elif tag == "pre":
        page.pre_depth += 1
    return True


def _leave(node: LexborNode, page: _Page) -> None:
    """Write what stands behind a node's children."""
    tag = node.tag or ""
    if tag in _SKIPPED or tag not in _BLOCKS or _is_hidden(node):
        return
    if tag == "pre":
        page.end_line()
        page.pre_depth = max(page.pre_depth - 1, 0)
    if _is_tight(node):
        page.end_line(is_forced=True)
    elif tag in _SPACED:
        page.end_block()
    else:
        page.end_line()
    if tag == "blockquote":
        page.quote_depth = max(page.quote_depth - 1, 0)


def _write_pre(text: str, page: _Page) -> None:
    first, *others = text.replace("\r\n", "\n").split("\n")
    page.words.append(first)
    for line in others:
        page.end_line(is_forced=True)
        page.words.append(line)


def _is_tight(node: LexborNode) -> bool:
    """Whether a paragraph stands without space around it, as each line does that Outlook writes."""
    if node.tag != "p":
        return False
    attributes = node.attributes
    is_outlook = (attributes.get("class") or "")[:100].lower().startswith("mso")
    return is_outlook or _NO_MARGIN.search((attributes.get("style") or "")[:500]) is not None


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    return "hidden" in attributes or _HIDDEN.search((attributes.get("style") or "")[:500]) is not None
