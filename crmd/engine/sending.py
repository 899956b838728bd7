"""Sends an effect that is handed over, and writes what became of it.

It is written whether or not the job still holds its lease: what was seen outside is true all the same.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import msgspec

from crmd.errors import EffectRefused, GateClosed, JobError, NotAccepted, RetryJob
from crmd.store import effects
from crmd.store.pools import UNREACHABLE
from crmd.stored_text import encode_bounded

if TYPE_CHECKING:
    from crmd.effecting import Effect, Send
    from crmd.engine.run import Run
    from crmd.ledger import EffectState
    from crmd.store.pools import Pool

_LOG = logging.getLogger("crmd.engine")
# A job that is told to stop lets what it is sending come to its end for so long: less than what is left of a lease when
# a daemon stops trusting it.
GRACE_SECONDS = 2.0
# What was seen outside exists nowhere else until it is written, so an outage of the database is waited out for a while.
WRITE_DELAYS_SECONDS = (0.1, 0.5, 1.0, 2.0, 4.0)
SURELY_NOT = (NotAccepted, EffectRefused, GateClosed)


class _OutcomeLost(RetryJob):
    """What became of it is known here and could not be written."""


class Sending:
    """What one job sends.

    Args:
        run: The running job.
        pool: Of the plugins; its jsonb codec takes plain objects.
    """

    __slots__ = ("_pool", "_run")

    def __init__(self, run: Run, pool: Pool) -> None:
        self._run = run
        self._pool = pool

    async def sent(self, effect: Effect, send: Send) -> tuple[bool, Any]:
        """Send, and write what became of it. (False, None): nobody knows, and the row says so.

        When the job is stopped meanwhile, what is under way may come to its end for a moment: cut off, nobody would
        know what became of it.
        """
        ended: list[tuple[bool, Any]] = []
        failed: list[Exception] = []
        grace, done = anyio.CancelScope(shield=True), anyio.Event()

        async def hand() -> None:
            with anyio.CancelScope(shield=True):
                try:
                    ended.append(await self._settled(effect, send, grace))
                except Exception as error:  # noqa: BLE001 - raised below, in the job's own task
                    failed.append(error)
                finally:
                    done.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hand)
            try:
                await done.wait()
            finally:
                grace.deadline = anyio.current_time() + GRACE_SECONDS
        if failed:
            raise failed[0]
        return ended[0]

    async def _settled(self, effect: Effect, send: Send, grace: anyio.CancelScope) -> tuple[bool, Any]:
        if self._run.stop is not None:  # told to stop between the commit and this: nothing has left
            error = NotAccepted("stopped before it was sent")
            await self.write(effect, "refused", reason=str(error))
            raise error
        reason = "the job was stopped while it was sent"
        try:
            with grace:
                return True, await self.confirmed(effect, await send(effect))
        except SURELY_NOT as error:
            await self.write(effect, "refused", reason=str(error))
            raise
        except _OutcomeLost:
            raise
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever went wrong, it may have arrived
            _LOG.warning("effect %s: unknown after %s", effect.id, type(error).__name__)
            reason = str(error) if isinstance(error, JobError) else type(error).__name__  # others may quote anything
        await self.write(effect, "unknown", reason=reason)
        return False, None

    async def confirmed(self, effect: Effect, receipt: object) -> Any:  # noqa: ANN401 - JSON of any shape
        """Keep the receipt; what is given now is what a later attempt will be given.

        A receipt that cannot be kept does not undo that the effect took place.
        """
        try:
            stored = msgspec.json.decode(encode_bounded(receipt))
        except (TypeError, ValueError, RecursionError):
            _LOG.warning("effect %s: its receipt has no JSON form and is not kept", effect.id)
            stored = None
        with anyio.CancelScope(shield=True):
            try:
                await self.write(effect, "confirmed", receipt=stored)
            except asyncpg.PostgresError as error:
                _LOG.warning("effect %s: its receipt cannot be stored (SQLSTATE %s)", effect.id, error.sqlstate)
                stored = None
                await self.write(effect, "confirmed")
        return stored

    async def write(
        self, effect: Effect, state: EffectState, *, receipt: object = None, reason: str | None = None
    ) -> None:
        """Write the outcome, waiting for the database where it is away.

        Raises:
            RetryJob: It stayed away: the row says handed over, and so unknown once this claim is gone.
        """
        for delay_seconds in (*WRITE_DELAYS_SECONDS, None):
            try:
                await effects.settle(self._pool, effect.id, effect.handovers, state, receipt=receipt, reason=reason)
            except UNREACHABLE as error:
                if delay_seconds is None:
                    raise _OutcomeLost(f"what became of effect {effect.id} could not be written") from error
                await anyio.sleep(delay_seconds)
            else:
                return
