"""Asks a provider whether an account works and whose it is; what goes wrong becomes an operator error."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from crmd.connections.probing import account_in, check_answer
from crmd.errors import ConfigError, CrmdError, ExitCode, FailJob, GateClosed, JobError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crmd.composition import Opened
    from crmd.connections.account import Account


async def probe(everything: Opened, account: Account) -> str | None:
    """What the provider says whose account it is, if it can tell.

    Raises:
        CrmdError: It does not work, and why.
    """
    with job_errors_told(account):
        response = await everything.services.connections.client_of(account).probe()
    if response is not None:
        check_answer(account.provider, response)
    return None if response is None else account_in(response)


@contextlib.contextmanager
def job_errors_told(account: Account) -> Iterator[None]:
    """What would decide about a job, as a sentence for whoever sits at the command line."""
    try:
        yield
    except GateClosed as error:
        again = f"crmd connections add {account.provider} --workspace {account.workspace_id} --account"
        hint = "Try again later." if error.after_seconds is not None else f"Consent again: {again} {account.account}"
        code = ExitCode.TRY_AGAIN if error.after_seconds is not None else ExitCode.FAILED
        raise CrmdError(f"{account.account} does not work: {error.reason}.", hint=hint, exit_code=code) from None
    except FailJob as error:
        raise ConfigError(f"{account.account} cannot be used: {error}", hint="See `crmd check`.") from None
    except JobError as error:
        raise UnreachableError(f"{account.provider} gave no answer: {error}.", hint="Try again in a moment.") from None
