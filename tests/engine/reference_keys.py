"""Unique keys as docs/enqueue.md tells them: who holds one, what becomes of a job that finds its key taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_rows import NEVER, Job, Key, New, Rule, merged

if TYPE_CHECKING:
    from uuid import UUID

WORDS = {"replace": "replaced", "merge": "merged", "push_back": "pushed_back", "keep_time": "kept"}


class Keys:
    """The keys that are taken.

    Args:
        waiting: The jobs that wait.
        leases: The jobs that run.
    """

    def __init__(self, waiting: dict[UUID, Job], leases: dict[UUID, Job]) -> None:
        self.rows: dict[str, Key] = {}
        self._waiting = waiting
        self._leases = leases

    def take(self, job: Job, new: New, rule: Rule, now: float) -> tuple[UUID, str]:
        """Take the key for a new job, or meet the one that has it. `created`: the job is to be inserted."""
        held = self.rows.get(rule.key)
        if held is None or held.expires_at <= now or (held.expires_at == NEVER and not self._is_open(held.job_id)):
            until = now + (rule.seconds or 0.0) if rule.scope == "for" else NEVER
            moves_until = None if rule.max_delay_seconds is None else now + rule.max_delay_seconds
            self.rows[rule.key] = Key(job.id, rule.scope, until, moves_until)
            return job.id, "created"
        if rule.on_conflict == "return":
            return held.job_id, "returned"
        if rule.on_conflict == "push_back" and held.scope == "for":
            wanted = now + rule.seconds if rule.seconds is not None else None
            bounds = [at for at in (held.moves_until, wanted) if at is not None]
            held.expires_at = max(held.expires_at, min(bounds)) if bounds else held.expires_at
            return held.job_id, "pushed_back"
        older = self._waiting.get(held.job_id)
        if older is not None and older.started_at is None and older.held in (None, "key"):
            self._change(older, job, new, rule)
            return older.id, WORDS[rule.on_conflict]
        self._follow(job, held, rule)
        return job.id, "created"

    def _change(self, older: Job, job: Job, new: New, rule: Rule) -> None:
        """The job that waits takes over what the newer one says."""
        older.payload = merged(older.payload, job.payload) if rule.on_conflict == "merge" else job.payload
        run_at = older.run_at
        if rule.on_conflict == "push_back":
            run_at = max(older.run_at, min(job.run_at, older.created_at + (rule.max_delay_seconds or 0.0)))
        elif new.delay_seconds is not None and rule.on_conflict != "keep_time":
            run_at = job.run_at
        if new.priority is not None:
            older.priority = new.priority
        if new.expires_in_seconds is not None:
            older.expires_at = job.expires_at
        elif older.expires_at is not None:
            older.expires_at += run_at - older.run_at
        older.run_at = run_at

    def _follow(self, job: Job, held: Key, rule: Rule) -> None:
        """The newer job takes the key over and waits for the end of one that has started."""
        if held.scope == "for":
            job.run_at = max(job.run_at, held.expires_at)
        if held.scope != "waiting" and self._is_open(held.job_id):
            job.follows, job.held = held.job_id, "key"
        held.job_id, held.before_id = job.id, job.follows
        held.expires_at = job.run_at + (rule.seconds or 0.0) if held.scope == "for" else NEVER

    def started(self, job: Job) -> None:
        """A job has started: its key is free if it only held while it waited."""
        key = self.rows.get(job.unique_key or "")
        if key is not None and key.job_id == job.id and key.scope == "waiting":
            del self.rows[job.unique_key or ""]

    def free(self, job: Job) -> None:
        """A job is over: its key goes back to the job that it follows, or is free; who follows it goes on."""
        if job.unique_key is None:
            return
        key = self.rows.get(job.unique_key)
        if key is not None and key.job_id == job.id and key.expires_at == NEVER:
            if key.before_id is not None and self._is_open(key.before_id):
                key.job_id, key.before_id = key.before_id, None
            else:
                del self.rows[job.unique_key]
        for follower in self._waiting.values():
            if follower.follows == job.id and follower.held == "key":
                follower.held, follower.follows = None, None

    def drop(self, job: Job) -> Key | None:
        """Take the key off an ended job; answers it."""
        key = self.rows.get(job.unique_key or "")
        return self.rows.pop(job.unique_key or "") if key is not None and key.job_id == job.id else None

    def _is_open(self, job_id: UUID) -> bool:
        return job_id in self._waiting or job_id in self._leases
