"""Job titles: whether a piece of a signature says what somebody does."""

from __future__ import annotations

import re

from crmd_contacts.fold import fold
from crmd_contacts.lexicon import words

_LENGTH_MAX = 90
_WORDS_MAX = 11
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_GENDER_MARK = re.compile(r"(?<=[a-zäöüß])[*:_/]-?(?=in(?:nen)?\b)|\((?:in|m/w/d)\)")
_ENDING_MIN = 2
_SENTENCE_ENDS = (".", "!", "?", ":", ";", ",")
_ABBREVIATED_ENDS = ("dipl.", "ing.", "dept.", "asst.", "mgr.", "dir.", "eng.", "b.a.", "m.a.", "sr.", "jr.", "e.v.")


def is_job_title(piece: str) -> bool:
    """Whether the piece is a job title: short, no sentence, and it holds a word that names a job."""
    if not is_title_shaped(piece):
        return False
    return any(names_job(word) for word in _WORD.findall(_GENDER_MARK.sub("", piece)))


def is_title_shaped(piece: str) -> bool:
    """Whether the piece could be a title by its shape alone: one short phrase without digits or a sentence's marks."""
    if not 2 <= len(piece) <= _LENGTH_MAX or any(letter.isdigit() for letter in piece):  # noqa: PLR2004 - `VP` is one
        return False
    if ":" in _GENDER_MARK.sub("", piece) or "@" in piece:
        return False
    folded = fold(piece)
    if folded.endswith(_SENTENCE_ENDS) and not folded.endswith(_ABBREVIATED_ENDS):
        return False
    found = _WORD.findall(folded)
    return 0 < len(found) <= _WORDS_MAX and words("sentence_words").isdisjoint(found)


def names_job(word: str) -> bool:
    """Whether one word names a job, as itself, as a part of a hyphenated word or as the end of a compound."""
    folded = fold(word)
    titles = words("title_words")
    if folded in titles or any(part in titles for part in folded.split("-") if len(part) > _ENDING_MIN):
        return True
    return any(folded.endswith(ending) and len(folded) > len(ending) + _ENDING_MIN for ending in words("title_endings"))


def is_department(piece: str) -> bool:
    """Whether the piece is made of a department's words alone."""
    found = _WORD.findall(fold(piece))
    departments = words("department_words")
    if found and found[0] in words("unit_words"):
        return True
    return bool(found) and all(word in departments or word in words("department_fillers") for word in found)
