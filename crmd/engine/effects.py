"""Lets things happen once outside, on behalf of a running job: the thin half of `crmd.ledger`.

The ledger's row is committed as handed over before the first byte leaves. So whatever is killed afterwards leaves a row
that says that nobody knows, and never one that lets somebody send it again unasked.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, assert_never
from weakref import WeakValueDictionary

import anyio

from crmd.effecting import QUIET_SECONDS, Effect
from crmd.engine.sending import SURELY_NOT, Sending
from crmd.errors import EffectRefused, EffectUnknown, GateClosed, JobError, UsageError
from crmd.ledger import DIED, Ask, Await, Doubt, HandOver, Know, Rule, Seen, next_step
from crmd.store import effects
from crmd.store.pools import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from crmd.effecting import Allow, Probe, Send
    from crmd.engine.run import Run
    from crmd.engine.transaction import JobTransaction
    from crmd.ledger import EffectState, Step
    from crmd.store.pools import Connection, Pool

KIND_MAX, KEY_MAX = 100, 500


class Effects:
    """Implements `crmd.Effecting`.

    Args:
        run: The running job.
        pool: Of the plugins; its jsonb codec takes plain objects.
        as_holder: A transaction with the engine's rights that only the holder of the lease can commit.
        transaction: The same with the plugin's rights.
    """

    def __init__(
        self,
        run: Run,
        pool: Pool,
        as_holder: Callable[[], AbstractAsyncContextManager[Connection]],
        transaction: Callable[[], AbstractAsyncContextManager[JobTransaction]],
    ) -> None:
        self._run = run
        self._sending = Sending(run, pool)
        self._as_holder = as_holder
        self._transaction = transaction
        self._turns: WeakValueDictionary[tuple[str, str], anyio.Lock] = WeakValueDictionary()

    async def effect(
        self,
        kind: str,
        *,
        key: str,
        send: Send,
        probe: Probe | None = None,
        allow: Allow | None = None,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> Any:  # noqa: ANN401 - what the receiver gave, as JSON
        """See `crmd.Effecting`."""
        if not (0 < len(kind) <= KIND_MAX and 0 < len(key) <= KEY_MAX):
            raise UsageError(f"An effect has a kind of 1 to {KIND_MAX} and a key of 1 to {KEY_MAX} characters.")
        rule = Rule(
            on_unknown=self._run.job_type.on_unknown_effect,
            has_probe=probe is not None,
            quiet_seconds=quiet_seconds,
            handovers_max=self._run.row["max_attempts"],
        )
        turn = self._turns.setdefault((kind, key), anyio.Lock())
        async with turn:
            while True:
                effect, step = await self._looked(kind, key, rule, allow)
                match step:
                    case Know(receipt):
                        return receipt
                    case HandOver():
                        is_known, receipt = await self._sending.sent(effect, send)
                    case Ask():
                        is_known, receipt = await self._asked(effect, probe)
                        rule = replace(rule, denied=effect.handovers)
                    case Await() | Doubt():
                        raise _later(effect, step)
                    case _:
                        assert_never(step)
                if is_known:
                    return receipt

    async def _looked(self, kind: str, key: str, rule: Rule, allow: Allow | None) -> tuple[Effect, Step]:
        """Look at the effect behind its lock, and write in the same commit what follows."""
        handed: Effect | None = None
        try:
            async with self._opened(allow) as (tx, as_engine):
                async with as_engine() as connection:
                    effect, step = await self._decided(connection, kind, key, rule)
                if step != HandOver():
                    return effect, step
                if allow is not None:
                    await allow(tx)
                async with as_engine() as connection:
                    handed = await self._handed_over(connection, effect)
        except SURELY_NOT as error:
            await self._keep_back(kind, key, error)
            raise
        except UNREACHABLE:
            if handed is not None:  # the commit may have come through, and nothing has left
                await self._sending.write(handed, "refused", reason="the database went away before it was sent")
            raise
        return handed, step

    @contextlib.asynccontextmanager
    async def _opened(self, allow: Allow | None) -> AsyncIterator[tuple[Any, Callable[[], Any]]]:
        """A transaction, and how to get the engine's rights in it; the plugin's rights are needed for `allow` alone."""
        if allow is not None:
            async with self._transaction() as tx:
                yield tx, tx.as_engine
            return
        async with self._as_holder() as connection:
            yield None, lambda: contextlib.nullcontext(connection)

    async def _decided(self, connection: Connection, kind: str, key: str, rule: Rule) -> tuple[Effect, Step]:
        row, token = self._run.row, self._run.token
        found = await effects.planned(connection, row["workspace_id"], kind, key, token.id, row["type"])
        seen = Seen(
            found["state"],
            found["handovers"],
            found["handed_over_seconds"],
            await effects.is_in_flight(connection, found, token),
            found["receipt"],
        )
        step = next_step(seen, rule)
        if isinstance(step, Doubt | Ask):
            is_held = step == Doubt(None)
            await effects.doubt(connection, found["id"], DIED, token.id if is_held else None)
        return Effect(id=found["id"], kind=kind, key=key, handovers=seen.handovers), step

    async def _handed_over(self, connection: Connection, effect: Effect) -> Effect:
        number = await effects.hand_over(connection, effect.id, self._run.token, self._run.row["type"])
        return replace(effect, handovers=number)

    async def _keep_back(self, kind: str, key: str, error: JobError) -> None:
        """`allow` said no, and its transaction is undone; that it did is kept."""
        state: EffectState = "refused" if isinstance(error, EffectRefused) else "planned"
        row = self._run.row
        async with self._as_holder() as connection:
            await effects.keep_back(
                connection, row["workspace_id"], kind, key, (row["id"], row["type"]), state=state, reason=str(error)
            )

    async def _asked(self, effect: Effect, probe: Probe | None) -> tuple[bool, Any]:
        """Ask the receiver. (False, None): it surely did not take it."""
        assert probe is not None  # noqa: S101 - the rule says so
        receipt = await probe(effect)
        return (False, None) if receipt is None else (True, await self._sending.confirmed(effect, receipt))


def _later(effect: Effect, step: Await | Doubt) -> JobError:
    """What the job is told that has to come back."""
    if isinstance(step, Await):
        reason = "another job is sending it"
        return GateClosed(f"effect/{effect.id}", after_seconds=step.after_seconds, reason=reason)
    reason = f"nobody knows whether this {effect.kind} took place"
    return EffectUnknown(effect.id, reason, after_seconds=step.after_seconds)
