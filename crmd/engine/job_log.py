"""Keeps what jobs log with the jobs: a logging handler gathers the lines, a loop writes them twice a second.

A job that logs nothing costs nothing. What a job says faster than it can be kept loses its oldest lines, and says so.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crmd.engine.handling import current_run
from crmd.log.formats import error_of, message_of
from crmd.store import job_log
from crmd.store.job_log import Lines
from crmd.store.pools import UNREACHABLE
from crmd.stored_text import clean_text, encode_json

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.store.pools import Pool

INTERVAL_SECONDS = 0.5
TEXT_MAX = 2000
# Of one job between two writes.
LINES_MAX = 500
LEVEL = logging.INFO
# Where `ctx.log` writes; its level is lowered so that lines are kept that the daemon's own log leaves out.
PLUGINS = "crmd.plugins"


class _Said:
    """What one job has said since the last write."""

    __slots__ = ("attempt", "dropped", "lines")

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.lines: deque[dict[str, Any]] = deque(maxlen=LINES_MAX)
        self.dropped = 0

    def add(self, line: dict[str, Any]) -> None:
        self.dropped += len(self.lines) == LINES_MAX
        self.lines.append(line)

    def extend(self, later: _Said) -> None:
        self.dropped += later.dropped
        for line in later.lines:
            self.add(line)

    def as_json(self) -> bytes:
        lines = list(self.lines)
        if self.dropped:
            text = f"{self.dropped} earlier lines were dropped: they came faster than they can be kept"
            lines.insert(0, {**lines[0], "level": "warning", "text": text})
        return encode_json(lines)


class JobLog(logging.Handler):
    """The handler, and the step of its loop."""

    def __init__(self) -> None:
        super().__init__(LEVEL)
        self._said: dict[UUID, _Said] = {}
        self._level_before = logging.NOTSET

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be written."""
        return not self._said

    def begin(self) -> None:
        """Gather from now on."""
        logging.getLogger().addHandler(self)
        plugins = logging.getLogger(PLUGINS)
        self._level_before = plugins.level
        plugins.setLevel(min(plugins.getEffectiveLevel(), LEVEL))

    def end(self) -> None:
        """Gather no more, and leave the level as it was."""
        logging.getLogger().removeHandler(self)
        logging.getLogger(PLUGINS).setLevel(self._level_before)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line, if a job has said it. Called under the handler's lock, from any thread."""
        run = current_run.get()
        if run is None:
            return
        said = self._said.get(run.token.id)
        if said is None:
            said = self._said[run.token.id] = _Said(run.row["attempt"])
        said.add(_line(record))

    async def write_once(self, pool: Pool) -> float:
        """Write what was gathered; answers the seconds until the next turn."""
        if self._said:
            taken = self._take({})
            try:
                await job_log.write(
                    pool, [Lines(job_id, said.attempt, said.as_json()) for job_id, said in taken.items()]
                )
            except BaseException:
                for job_id, said in self._take(taken).items():  # for the next turn
                    self._said.setdefault(job_id, _Said(said.attempt)).extend(said)
                raise
        return INTERVAL_SECONDS

    async def finish(self, pool: Pool) -> None:
        """Write what is left, if the database answers."""
        with contextlib.suppress(*UNREACHABLE):
            await self.write_once(pool)

    def _take(self, instead: dict[UUID, _Said]) -> dict[UUID, _Said]:
        self.acquire()
        try:
            taken, self._said = self._said, instead
        finally:
            self.release()
        return taken


def _line(record: logging.LogRecord) -> dict[str, Any]:
    error = error_of(record)
    text = message_of(record) + (f": {error}" if error else "")
    return {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "text": clean_text(text, TEXT_MAX),
    }
