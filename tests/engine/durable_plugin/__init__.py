"""A plugin of durable jobs as a third party would ship it."""

from durable_jobs import (
    answers,
    answers_once,
    apart,
    as_told,
    aside,
    notes,
    program,
    side_by_side,
    sleeps,
    twelve_steps,
    waits,
    waits_for_ever,
    works_through,
)

__all__ = [
    "answers",
    "answers_once",
    "apart",
    "as_told",
    "aside",
    "notes",
    "program",
    "side_by_side",
    "sleeps",
    "twelve_steps",
    "waits",
    "waits_for_ever",
    "works_through",
]
