"""How alike two words are, from 0 to 1: Jaro-Winkler, which forgives a slip and trusts a common beginning."""

from __future__ import annotations

_LENGTH_MAX = 60
_PREFIX_MAX = 4
_PREFIX_WEIGHT = 0.1


def similarity(left: str, right: str) -> float:
    """Jaro-Winkler similarity; 1.0 for equal words, 0.0 when either is empty."""
    first, second = left[:_LENGTH_MAX], right[:_LENGTH_MAX]
    if not first or not second:
        return 0.0
    if first == second:
        return 1.0
    jaro = _jaro(*sorted((first, second)))
    prefix = 0
    for one, other in zip(first[:_PREFIX_MAX], second, strict=False):
        if one != other:
            break
        prefix += 1
    return jaro + prefix * _PREFIX_WEIGHT * (1 - jaro)


def _jaro(first: str, second: str) -> float:
    window = max(max(len(first), len(second)) // 2 - 1, 0)
    taken = [False] * len(second)
    matched: list[str] = []
    for index, letter in enumerate(first):
        for other in range(max(0, index - window), min(len(second), index + window + 1)):
            if not taken[other] and second[other] == letter:
                taken[other] = True
                matched.append(letter)
                break
    if not matched:
        return 0.0
    mirrored = [letter for letter, is_taken in zip(second, taken, strict=True) if is_taken]
    moved = sum(one != other for one, other in zip(matched, mirrored, strict=True)) / 2
    count = len(matched)
    return (count / len(first) + count / len(second) + (count - moved) / count) / 3
