"""Which thread a message belongs to, as Gmail decides: a known reference and the same subject."""

from __future__ import annotations

from crmd.testing.sandbox.original import Original, bare_subject


class Conversations:
    """Message ids seen so far, each with the thread it stands in for one subject."""

    def __init__(self) -> None:
        self._threads: dict[tuple[str, str], str] = {}

    def find(self, original: Original) -> str | None:
        """Give the thread of the nearest known reference with the same subject, or None for a new thread."""
        subject = bare_subject(original.subject)
        related = (*reversed(original.references), original.message_id)
        return next((self._threads[ref, subject] for ref in related if (ref, subject) in self._threads), None)

    def remember(self, original: Original, thread_id: str) -> None:
        """Let later messages find this thread, by its message or by what it answers, whichever comes first."""
        subject = bare_subject(original.subject)
        for ref in (original.message_id, *original.references):
            if ref:
                self._threads.setdefault((ref, subject), thread_id)
