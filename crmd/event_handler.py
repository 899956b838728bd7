"""Handlers of events: `@crmd.on_event` makes a job type that is given each event, or a function that may veto it."""

from __future__ import annotations

import inspect
import sys
import types
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, get_origin, overload

from crmd.errors import PluginError
from crmd.event import AnyEvent, Event
from crmd.event import hears as fits
from crmd.job_type import JobType, job
from crmd.model import Concurrency, Snooze
from crmd.store.queries import load_queries
from crmd.trigger import Trigger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from crmd.context import Context, Transaction
    from crmd.job_options import JobOptions

_FunctionT = TypeVar("_FunctionT", bound="Callable[..., Awaitable[Any]]")
_SQL = load_queries("crmd.store")
_NOT_FOR_HANDLERS = ("schedule", "on_events", "event_delay_seconds", "unique")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncHandler:
    """A function that hears of events inside the transaction that emits them, and may veto it by raising.

    Attributes:
        events: Event types, as `contact.created`, `contact.*` or `*`.
        function: `async def function(event, tx)`; `tx` is a `crmd.Statements`, and in a job a `crmd.Transaction`.
        event_type: The type of its first parameter.
        plugin: Who declares it; filled in when it is loaded.
    """

    events: tuple[str, ...]
    function: Callable[..., Awaitable[None]]
    event_type: Any
    plugin: str = ""

    def __call__(self, *args: object) -> Awaitable[None]:
        """Call the function itself, as a test of its logic may."""
        return self.function(*args)

    def hears(self, event_type: str) -> bool:
        """Whether it is to be told of events of a type."""
        return any(fits(pattern, event_type) for pattern in self.events)

    def owned_by(self, plugin: str) -> SyncHandler:
        """The same handler, declared by `plugin`."""
        return replace(self, plugin=plugin)


@overload
def on_event(*events: str, sync: Literal[True]) -> Callable[[_FunctionT], SyncHandler]: ...


@overload
def on_event(
    *events: str,
    name: str | None = None,
    when: Mapping[str, object] | str | None = None,
    delay_seconds: float = 0.0,
    ordered: bool = False,
    **options: Unpack[JobOptions],
) -> Callable[[_FunctionT], JobType]: ...


def on_event(
    *events: str,
    sync: bool = False,
    name: str | None = None,
    when: Mapping[str, object] | str | None = None,
    delay_seconds: float = 0.0,
    ordered: bool = False,
    **options: Unpack[JobOptions],
) -> Callable[[Any], Any]:
    """Declare an async function as a handler of events.

    Without `sync` it becomes a job type: `async def handler(ctx, event: crmd.Event[Data])` is run once for each event,
    as a job of its own that starts in the transaction that emits. An event at which it keeps failing is parked, for
    this handler alone. With `sync`, `async def handler(event: crmd.Event[Data], tx)` runs inside the transaction that
    emits, if that is a program with this plugin loaded; what it raises ends that transaction, best a `crmd.Veto`.

    Args:
        events: Event types, as `contact.created`, `contact.*` or `*`.
        sync: Run it inside the emitting transaction.
        name: Of the job type; default: `on-` and the function's name.
        when: A condition on the data, as in `crmd.Trigger`.
        delay_seconds: How long after the event it is due.
        ordered: An event waits until the one before of the same aggregate is done, or dismissed.
        options: As for `crmd.job`.

    Raises:
        PluginError: The declaration does not hold together; the sentence names the function.
    """
    if sync:
        return lambda function: _sync_handler(function, events)
    triggers = tuple(
        Trigger(event=event, when=when, delay_seconds=delay_seconds, gives="event", is_ordered=ordered)
        for event in events
    )

    def declare(function: Any) -> JobType:  # noqa: ANN401 - any async function; it is looked at below
        own = name or f"on-{function.__name__.replace('_', '-')}"
        _check(function, own, events, options)
        made = job(own, **options)(_with_event(function, own))
        if not ordered:
            return replace(made, on_events=triggers)
        in_turn = (*made.concurrency, Concurrency(max=1, per="aggregateId"))
        return replace(made, on_events=triggers, concurrency=in_turn, handler=_in_turn(own, made.handler))

    return declare


def _check(function: Callable[..., object], name: str, events: tuple[str, ...], options: JobOptions) -> None:
    if not events:
        raise PluginError(f"The handler {name} hears of no event.", hint="Name one: @crmd.on_event('contact.created').")
    if not inspect.iscoroutinefunction(function):
        raise PluginError(f"The handler {name} is not an async function.", hint="Write `async def`.")
    for option in _NOT_FOR_HANDLERS:
        if option in options:
            raise PluginError(f"The handler {name} cannot have {option}.", hint="Its events decide when it runs.")


def _sync_handler(function: Callable[..., Awaitable[None]], events: tuple[str, ...]) -> SyncHandler:
    _check(function, function.__name__, events, {})
    for event in events:
        Trigger(event=event)  # it knows what an event type looks like
    return SyncHandler(events=events, function=function, event_type=_event_type(function, 0))


def _with_event(function: Callable[..., Awaitable[Any]], name: str) -> Callable[..., Awaitable[Any]]:
    """The handler with its event's type as a class of its own, which is what a payload has to be."""
    event_type = _event_type(function, 1)
    payload_type = types.new_class("HandledEvent", (event_type,), {"frozen": True, "kw_only": True, "rename": "camel"})

    async def handler(ctx: Context, event: Any) -> Any:  # noqa: ANN401 - whatever the handler takes and answers
        return await function(ctx, event)

    handler.__doc__ = inspect.getdoc(function) or f"Handles events: {name}."
    handler.__module__ = function.__module__
    handler.__annotations__["event"] = payload_type
    return handler


def _event_type(function: Callable[..., object], place: int) -> Any:  # noqa: ANN401 - Event, or Event[Data]
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 2:  # noqa: PLR2004 - the event and what goes with it
        raise PluginError(
            f"The handler {function.__name__} takes {len(parameters)} parameters.",
            hint="It takes ctx and event; one that is sync takes event and tx.",
        )
    annotation = parameters[place].annotation
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, vars(sys.modules[function.__module__]))  # noqa: S307 - the plugin's own source
        except NameError as error:
            raise PluginError(
                f"The event type of {function.__name__} cannot be read: {error}.",
                hint="Import it outside TYPE_CHECKING.",
            ) from error
    if annotation is Event:
        return AnyEvent
    if get_origin(annotation) is not Event:
        raise PluginError(
            f"The handler {function.__name__} does not say what event it takes.", hint="Annotate it with crmd.Event."
        )
    return annotation


def _in_turn(name: str, handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The handler behind a look whether the event before, of the same aggregate, is done."""

    async def handle(ctx: Context, event: AnyEvent) -> Any:  # noqa: ANN401 - whatever the handler answers
        async with ctx.transaction() as tx:
            seconds = await _turn_seconds(tx, name, event)
        if seconds is not None:
            return Snooze(seconds, "the event before it is not done")
        return await handler(ctx, event)

    return handle


async def _turn_seconds(tx: Transaction, name: str, event: AnyEvent) -> float | None:
    seconds: float | None = await tx.fetchval(_SQL.delivery_turn, name, event.id, event.emitted_at)
    return seconds
