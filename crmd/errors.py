"""The one error tree of crmd: what an operator sees as a sentence, and what a job may raise.

`CrmdError` and its children are for operators: one sentence, a hint that names the next step, an exit code and never
a traceback. `JobError` and its children are for handlers: raising one decides what becomes of the job.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


class ExitCode(IntEnum):
    """Exit codes of the `crmd` command, as documented in docs/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 3
    UNREACHABLE = 4
    TRY_AGAIN = 75


class CrmdError(Exception):
    """A fault that an operator can mend.

    Args:
        sentence: What is wrong, in one sentence.
        hint: The next step, in one sentence; empty when the sentence says it.
        exit_code: How `crmd` ends when nothing catches it.
    """

    default_exit_code = ExitCode.FAILED

    def __init__(self, sentence: str, *, hint: str = "", exit_code: ExitCode | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.exit_code = self.default_exit_code if exit_code is None else exit_code

    def __str__(self) -> str:
        return f"{self.sentence} {self.hint}".rstrip()


class UsageError(CrmdError):
    """A command, name or payload that does not fit."""

    default_exit_code = ExitCode.USAGE


class ConfigError(CrmdError):
    """A setting that is missing, unknown or of the wrong kind."""

    default_exit_code = ExitCode.CONFIG


class PluginError(CrmdError):
    """A plugin that cannot be used as it is; the sentence names its package."""

    default_exit_code = ExitCode.CONFIG


class UnreachableError(CrmdError):
    """A database or provider that does not answer."""

    default_exit_code = ExitCode.UNREACHABLE


class OutdatedError(CrmdError):
    """This installation is older than its database, which a newer one has changed in a way that it cannot follow."""

    default_exit_code = ExitCode.CONFIG

    def __init__(self, migration: str) -> None:
        super().__init__(
            f"This crmd is too old for its database: a newer one has applied {migration}, which it does not know.",
            hint="Upgrade this installation; the newer daemons go on meanwhile.",
        )


class JobError(Exception):
    """Raised by a handler; its class decides what becomes of the job."""


class RetryJob(JobError):  # noqa: N818 - reads as what it orders: `raise RetryJob(...)`
    """Try again later; counts as an attempt.

    Args:
        reason: Why, for the job's record.
        after_seconds: Not earlier than this; None leaves it to the job type's backoff.
    """

    def __init__(self, reason: str, *, after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


class FailJob(JobError):  # noqa: N818 - reads as what it orders: `raise FailJob(...)`
    """Fail for good at once: the input can never succeed, so no attempt is worth making."""


class Veto(FailJob):
    """Raised by a handler of events that runs inside the emitting transaction: what happened must not happen.

    Whoever emitted gets it raised from the call; nothing of that call is kept. A job that lets it through fails.
    """


class GateClosed(JobError):  # noqa: N818 - a state of a key, not a fault of the job
    """The key this job needs is closed until an instant; the job waits without spending an attempt.

    Args:
        key: The closed gate, as in `crmd.gate`.
        after_seconds: How long it stays closed, as far as known; None when it opens by an operator's hand.
        reason: Why it is closed.
    """

    def __init__(self, key: str, *, after_seconds: float | None, reason: str) -> None:
        super().__init__(f"gate {key} is closed: {reason}")
        self.key = key
        self.after_seconds = after_seconds
        self.reason = reason


class LeaseLost(JobError):  # noqa: N818 - what happened to the lease; the job's own code did nothing wrong
    """This claim of the job is no longer the current one, so nothing it writes counts."""


class NotKnownHere(JobError):  # noqa: N818 - what this daemon lacks; the job's own code did nothing wrong
    """No plugin loaded here can run the job; it is held, as if never claimed, until a daemon comes that can.

    Args:
        what: A job type, or a version of a payload.
        reason: What this daemon knows instead.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"this daemon does not know {what}: {reason}")
        self.what = what


class NotAccepted(RetryJob):
    """What was sent was surely not accepted, so that sending it again makes no second one. Counts as an attempt."""


class EffectRefused(FailJob):
    """What was to be sent surely did not leave or was not accepted, and never will be: no second try makes sense."""


class EffectUnknown(JobError):  # noqa: N818 - what is known about an effect; the job's own code did nothing wrong
    """Whether an effect took place is not known yet; the job waits without spending an attempt.

    Args:
        effect_id: Of the row in `crmd.effect`.
        reason: What is known, for people.
        after_seconds: When to look again; None: the job is held until somebody resolves the effect.
    """

    def __init__(self, effect_id: UUID, reason: str, *, after_seconds: float | None) -> None:
        super().__init__(f"effect {effect_id}: {reason}")
        self.effect_id = effect_id
        self.reason = reason
        self.after_seconds = after_seconds
