"""HTML that would cost an HTML parser more than linear time, told apart before one sees it.

A parser by the HTML standard repeats open formatting elements in every block, searches the stack of open elements for
each closing tag, and compares each attribute with those before it. So nesting, repetition and attributes are estimated.
"""

import re

_DEPTH_MAX = 1_000
_REPEATED_MAX = 300_000
_ATTRIBUTES_MAX = 1_000
_DATA_URL = re.compile(r"data:[^\"'\s<>]+")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})([^<>]*)")
_SEPARATOR = re.compile(r"[\s/]+")
# Elements that are never closed, or whose closing tag may be left out.
_UNNESTED_NAMES = "area base br col embed hr img input link meta param source track wbr p li tr td th option dd dt"
_UNNESTED = frozenset(_UNNESTED_NAMES.split())
_FORMATTING_NAMES = "a b big code em font i nobr s small strike strong tt u"
_FORMATTING = frozenset(_FORMATTING_NAMES.split())


def is_absurd(source: str) -> bool:
    """Whether the markup nests, repeats or lists attributes beyond what any mail does."""
    opened: dict[str, int] = {}
    depth = formatting = repeated = 0
    for match in _TAG.finditer(_DATA_URL.sub("", source)):
        name = match[2].lower()
        is_known = name in opened and opened[name] > 0
        change = 0 if name in _UNNESTED else (-1 if match[1] and is_known else 0 if match[1] else 1)
        opened[name] = opened.get(name, 0) + change
        depth += change
        if name in _FORMATTING:
            formatting += change
        elif not match[1]:
            repeated += formatting
        if depth > _DEPTH_MAX or repeated > _REPEATED_MAX or _has_many_attributes(match[3]):
            return True
    return False


def _has_many_attributes(text: str) -> bool:
    return len(text) > _ATTRIBUTES_MAX and sum(1 for _ in _SEPARATOR.finditer(text)) > _ATTRIBUTES_MAX
