"""What stands in the way of a job, as an operator error: which key, why, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.connections.account import listed
from crmd.engine.handover import Doubled, HeldBack
from crmd.errors import CrmdError, ExitCode

if TYPE_CHECKING:
    from crmd.connections.account import Account
    from crmd.store.pools import Pool

CONNECTION = "connection/"


async def obstacle_error(pool: Pool, answer: HeldBack | Doubled, *, waits: str = "") -> CrmdError:
    """The error that says it.

    Args:
        pool: To look up whose connection it is.
        answer: What stands in the way.
        waits: Id of the job, when it was enqueued and waits.
    """
    if isinstance(answer, Doubled):
        return CrmdError(
            f"Job {answer.id} has the same key and is not finished.",
            hint=f"Watch it: crmd jobs watch {answer.id}",
            exit_code=ExitCode.TRY_AGAIN,
        )
    account = await _account(pool, answer.key)
    sentence = f"{account.provider} {account.account}" if account is not None else answer.key
    until = "" if answer.wait_seconds is None else f" for {answer.wait_seconds:.0f} s"
    verb = "is stopped" if account is not None else "is closed or full"
    return CrmdError(
        f"{sentence} {verb}{until}: {answer.reason}.",
        hint=" ".join(filter(None, [_advice(account), _waiting(waits)])),
        exit_code=ExitCode.TRY_AGAIN,
    )


def doubt_error(job_id: object) -> CrmdError:
    """The job is held for an effect of which nobody knows whether it took place."""
    return CrmdError(
        f"Nobody knows whether what job {job_id} sent has arrived; it is held until somebody says so.",
        hint="See crmd effects list --unknown",
        exit_code=ExitCode.TRY_AGAIN,
    )


async def _account(pool: Pool, key: str) -> Account | None:
    if not key.startswith(CONNECTION):
        return None
    wanted = key.removeprefix(CONNECTION)
    return next((account for account in await listed(pool) if str(account.id) == wanted), None)


def _advice(account: Account | None) -> str:
    if account is None:
        return "Try again later, or wait for it with --wait."
    if account.state == "needs_reauth":
        arguments = f"{account.provider} --workspace {account.workspace_id} --account {account.account}"
        return f"Consent again: crmd connections add {arguments}"
    if account.state == "disabled":
        return f"Let it work again: crmd connections enable {account.id}"
    return "Try again later, or wait for it with --wait."


def _waiting(job_id: str) -> str:
    return f"The job waits until then; give it up with: crmd jobs cancel {job_id}" if job_id else ""
