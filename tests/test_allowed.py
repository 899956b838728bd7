"""What texts may look like is told in words: of every setting and of every field of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args

import msgspec
import pytest
from msgspec import Meta

from crmd.allowed import WORDS, worded
from crmd.api import server
from crmd.config.layers import Entry
from crmd.config.settings import NAMED_SECTIONS, SECTIONS
from crmd.config.validation import Table, check_table

if TYPE_CHECKING:
    from collections.abc import Iterator

# One that fits, one that does not, and one that ends in a line of its own.
SAMPLES = {
    "https://crm.example.com": ("crm.example.com", "", " https://x"),
    "ops@example.com": ("ops", "ops@example.com, eve@example.com", "<ops@example.com>"),
    "crm.internal:8080": ("crm internal", "http://crm", "crm:123456"),
    "abc": ("a\nb", "\u00e4", "a\x7f"),
    "contact.created": ("contact", "Contact.created", "contact.created\n"),
    "contact.*": ("contact.", "*.created", "contact.*\n"),
    "deal.*": ("deal", ".*", "deal.won\n"),
    "digest:9.00": ("", "-x", "a b"),
}


def patterns_in(kind: Any, seen: set[Any]) -> Iterator[str]:  # noqa: ANN401 - whatever a field may be
    """Every pattern that a type holds, however deep."""
    for note in getattr(kind, "__metadata__", ()):
        if isinstance(note, Meta) and note.pattern is not None:
            yield note.pattern
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
        seen.add(kind)
        for field in msgspec.structs.fields(kind):
            yield from patterns_in(field.type, seen)
    for inner in get_args(kind):
        yield from patterns_in(inner, seen)


def test_every_pattern_has_words() -> None:
    """No setting and no field of a request is bounded by a pattern that people would have to read."""
    kinds: list[Any] = [*SECTIONS.values(), *NAMED_SECTIONS.values()]
    kinds += [kind for route in server.ROUTES for kind in (route.body, route.query) if kind is not None]
    seen: set[Any] = set()
    assert {pattern for kind in kinds for pattern in patterns_in(kind, seen)} == set(WORDS)


@pytest.mark.parametrize(("pattern", "sample"), list(zip(WORDS, SAMPLES, strict=True)))
def test_words_take_the_patterns_place(pattern: str, sample: str) -> None:
    """What fits fits, what does not is told what would, and nothing of the pattern is left."""
    kind: Any = Annotated[str, Meta(pattern=pattern)]
    assert msgspec.convert(sample, kind) == sample
    for wrong in SAMPLES[sample]:
        with pytest.raises(msgspec.ValidationError) as error:
            msgspec.convert([wrong], list[kind])
        assert worded(str(error.value)) == f"Expected {WORDS[pattern]} - at `$[0]`"


def test_a_setting_that_does_not_fit_is_told_in_words() -> None:
    """The sentence about a setting names what it may be."""
    entries: dict[tuple[str, ...], Entry] = {("public_url",): Entry("crm.example.com", "crmd.toml:3")}
    _, [problem] = check_table(SECTIONS["api"], Table("api", entries))
    assert str(problem) == "crmd.toml:3: api.public_url: expected an address that begins with http:// or https://."
