"""Dates in headers: RFC 5322 with its obsolete zones, and the other forms that senders write. Junk gives None."""

import re
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan janv ene gen",
            "feb fev fév febr",
            "mar mär mrz mars maa mrt",
            "apr avr abr",
            "may mai mag mei",
            "jun juin giu",
            "jul juil lug",
            "aug août aou ago",
            "sep set",
            "oct okt ott out",
            "nov",
            "dec dez déc dic",
        ),
        start=1,
    )
    for name in names.split()
}
_ZONE_HOURS = {
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8,
    "HST": -10,
    "BST": 1, "CET": 1, "CEST": 2, "MET": 1, "MEST": 2, "MEZ": 1, "MESZ": 2, "WET": 0, "WEST": 1, "EET": 2, "EEST": 3,
    "MSK": 3, "MSD": 4, "JST": 9, "KST": 9, "HKT": 8, "SGT": 8, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip
_CHARS_MAX = 200
_COMMENT = re.compile(r"\([^()]*\)")
_DAY_MONTH_YEAR = re.compile(
    r"(?<!\d)0?(\d{1,2})(?:st|nd|rd|th|\.)?[ \-./,]{1,4}([^\W\d_]{3,10})\.?[ \-./,]{1,4}(\d{2,4})(?!\d|:)"
)
_MONTH_DAY_YEAR = re.compile(
    r"([^\W\d_]{3,10})\.?[ \-]{1,4}(\d{1,2})(?:st|nd|rd|th)?,?[ \-].{0,20}?(?<!\d)(\d{4})(?!\d|:)"
)
_ISO = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_TIME = re.compile(
    r"(?<![\d+\-:.])(\d{1,2})\s{0,5}[:.]\s{0,5}(\d{2})(?:\s{0,5}[:.]\s{0,5}(\d{2})(?:[.,]\d{1,9})?)?(?![\d:])\s{0,3}([AaPp][Mm])?"
)
_OFFSET = re.compile(r"(?:GMT|UTC)?\s?([+-])(\d{1,2}):?(\d{2})(?!\d)")
_YEAR_MIN = 1900
_YEAR_MAX = 2100


def read_instant(text: str) -> datetime | None:
    """The aware UTC instant a date line names; None when it names none, or one that can't be."""
    text = _COMMENT.sub(" ", text[:_CHARS_MAX])
    day = _day(text)
    if day is None:
        return None
    date_match, year, month, number = day
    time_match = _TIME.search(text[: date_match.start()] + " " * len(date_match[0]) + text[date_match.end() :])
    clock = (0, 0, 0)
    rest = text[date_match.end() :]
    if date_match.re is _MONTH_DAY_YEAR:  # ctime: the time stands inside the match
        time_match = _TIME.search(text)
    if time_match is not None:
        read = _clock(time_match)
        if read is None:
            return None
        clock = read
        rest = text[time_match.end() :]
    elif re.search(r"\d:\d", text):
        return None
    try:
        return datetime(year, month, number, *clock, tzinfo=_zone(rest)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _day(text: str) -> tuple[re.Match[str], int, int, int] | None:
    found: tuple[re.Match[str], int, int, int] | None = None
    if (match := _DAY_MONTH_YEAR.search(text)) is not None and (month := _month(match[2])):
        found = match, _year(match[3]), month, int(match[1])
    elif (match := _ISO.search(text)) is not None:
        found = match, int(match[1]), int(match[2]), int(match[3])
    else:
        for match in _MONTH_DAY_YEAR.finditer(text):
            if month := _month(match[1]):
                found = match, int(match[3]), month, int(match[2])
                break
    return found if found is not None and _YEAR_MIN <= found[1] <= _YEAR_MAX else None


def _month(name: str) -> int | None:
    folded = name.lower()
    return next((_MONTHS[folded[:size]] for size in (5, 4, 3) if folded[:size] in _MONTHS), None)


def _year(digits: str) -> int:
    year = int(digits)
    if len(digits) == 4:  # noqa: PLR2004 - digits of a full year
        return year
    return year + 1900 if year >= 50 else year + 2000  # noqa: PLR2004 - the pivot of RFC 5322, 4.3


def _clock(match: re.Match[str]) -> tuple[int, int, int] | None:
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[4]:
        hour = hour % 12 + (12 if match[4].lower() == "pm" else 0)
    if hour > 23 or minute > 59 or second > 60:  # noqa: PLR2004 - what a clock shows, a leap second included
        return None
    return hour, minute, min(second, 59)


def _zone(rest: str) -> timezone:
    """The zone after the time; unknown and military letters count as UTC, as RFC 5322 has it."""
    offset = _OFFSET.search(rest[:20])
    if offset is not None:
        minutes = int(offset[2]) * 60 + int(offset[3])
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes)) if minutes < 24 * 60 else UTC
    name = re.match(r"\s{0,5}([A-Za-z]{2,5})", rest)
    hours = _ZONE_HOURS.get(name[1].upper(), 0) if name is not None else 0
    return timezone(timedelta(hours=hours))
