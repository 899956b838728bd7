"""A job type: what a plugin declares with `@crmd.job`, and how its handler is read."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import msgspec

from crmd.backoff import Backoff
from crmd.errors import PluginError, UsageError
from crmd.isolation import Isolation, check_isolation
from crmd.model import Concurrency, NoPayload, Priority, Schedule, Unique
from crmd.payload_seal import check_sealing, opened, sealed
from crmd.payload_version import check_upgrades, upgraded, version_of
from crmd.stored_text import encode_payload
from crmd.trigger import Trigger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from crmd.effecting import OnUnknownEffect
    from crmd.isolation import RunsIn
    from crmd.job_options import JobOptions
    from crmd.payload_seal import PayloadSeal
    from crmd.payload_version import Upgrade

_NAME = re.compile(r"^[a-z][a-z0-9]*([-_][a-z0-9]+)*$")
_FunctionT = TypeVar("_FunctionT", bound="Callable[..., Awaitable[Any]]")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobType:
    """What one kind of job does and how it is to be run.

    Attributes:
        handler: `async def handler(ctx)` or `async def handler(ctx, payload)`.
        payload_type: The type of its second parameter; `NoPayload` when it has none.
        plugin: Name of the plugin that declares it; filled in when it is loaded.
        connection: The payload field (as on the wire) that names the connection the job works on. Jobs of a connection
            wait while its gate is closed, for example because it needs a new consent.
        on_events: Event types, or triggers, that start a job of this type; its payload is the fields of the event's
            data that the payload type knows.
        on_unknown_effect: What becomes of an effect of which nobody knows whether it took place.
        isolation: The bounds of its processes, when it runs in one.
        seal: What seals its payloads, if they are; given to it when a configuration is at hand.
    """

    name: str
    handler: Callable[..., Awaitable[Any]]
    payload_type: type[msgspec.Struct]
    description: str = ""
    plugin: str = ""
    aliases: tuple[str, ...] = ()
    queue: str = "normal"
    priority: Priority = "normal"
    max_attempts: int = 3
    timeout_seconds: float = 300.0
    backoff: Backoff = field(default_factory=Backoff)
    schedule: Schedule | None = None
    concurrency: tuple[Concurrency, ...] = ()
    connection: str | None = None
    unique: Unique | None = None
    on_events: tuple[str | Trigger, ...] = ()
    event_delay_seconds: float = 0.0
    expires_seconds: float | None = None
    version: int = 1
    upgrades: Mapping[int, Upgrade] = field(default_factory=dict)
    on_unknown_effect: OnUnknownEffect = "park"
    runs_in: RunsIn = "loop"
    isolation: Isolation = field(default_factory=Isolation)
    is_payload_sealed: bool = False
    seal: PayloadSeal | None = field(default=None, repr=False, compare=False)

    def __call__(self, *args: object) -> Awaitable[Any]:
        """Call the handler itself, as a test of its logic may."""
        return self.handler(*args)

    def owned_by(self, plugin: str) -> JobType:
        """The same job type, declared by `plugin`."""
        return replace(self, plugin=plugin)

    def decode(self, payload: bytes, meta: bytes | None = None) -> msgspec.Struct:
        """The typed payload; what `meta` marks as of an older version is brought to today's first.

        Raises:
            UsageError: It does not fit; the sentence holds the path of the bad field.
            NotKnownHere: It is of a version that only newer code knows.
        """
        if self.seal is not None:
            payload = opened(self.seal, self.name, payload)
        if (stored := 1 if meta is None else version_of(meta)) != self.version:
            payload = upgraded(self.name, payload, stored, self.version, self.upgrades)
        try:
            return msgspec.json.decode(payload, type=self.payload_type)
        except msgspec.ValidationError as error:
            raise UsageError(f"The payload of {self.name} does not fit: {error}.", hint=self.payload_hint()) from error

    def encode(self, payload: object) -> bytes:
        """JSON of a payload, as it is stored: a struct of the payload type, or a mapping that is checked against it.

        Raises:
            UsageError: It does not fit; the sentence holds the path of the bad field.
        """
        data = self._checked(payload)
        if not self.is_payload_sealed:
            return data
        if self.seal is None:
            raise UsageError(f"The payload of {self.name} is to be sealed, and no configuration with a key is at hand.")
        return sealed(self.seal, self.name, data, self.clear_fields)

    def _checked(self, payload: object) -> bytes:
        if isinstance(payload, self.payload_type):
            return encode_payload(payload)
        try:
            return encode_payload(msgspec.convert(payload or {}, self.payload_type, strict=True))
        except msgspec.ValidationError as error:
            raise UsageError(f"The payload of {self.name} does not fit: {error}.", hint=self.payload_hint()) from error

    @property
    def clear_fields(self) -> set[str]:
        """Fields of a sealed payload that stay readable, since they decide about the job before it runs."""
        named = {bound.per for bound in self.concurrency} | {self.connection}
        named |= {field.split(".")[0] for field in (self.unique and self.unique.fields) or ()}
        return {name for name in named if name is not None}

    def payload_hint(self) -> str:
        """One sentence that lists the payload's fields."""
        fields = msgspec.structs.fields(self.payload_type)
        if not fields:
            return "It takes no payload."
        names = [field.encode_name + ("" if field.required else "?") for field in fields]
        return f"Its fields are {', '.join(names)} (? marks optional ones)."

    @property
    def triggers(self) -> list[Trigger]:
        """What starts a job of this type, in full."""
        return [
            Trigger(event=event, delay_seconds=self.event_delay_seconds) if isinstance(event, str) else event
            for event in self.on_events
        ]

    def payload_fields(self) -> list[str]:
        """Names of the payload's fields on the wire."""
        return [field.encode_name for field in msgspec.structs.fields(self.payload_type)]


def job(name: str, **options: Unpack[JobOptions]) -> Callable[[_FunctionT], JobType]:
    """Declare an async function as a job type.

    The function takes a `crmd.Context` and, if it has a payload, a second parameter annotated with a subclass of
    `crmd.Payload`. Its docstring is the job type's description. What it returns is the job's result, kept as JSON;
    `crmd.Snooze` and `crmd.Cancel` are orders instead.

    Args:
        name: Lower case with dashes; stands in commands, tables and logs.
        options: See `crmd.job_options.JobOptions`.

    Raises:
        PluginError: The declaration does not hold together; the sentence names the function.
    """

    def declare(function: _FunctionT) -> JobType:
        if not inspect.iscoroutinefunction(function):
            raise PluginError(f"The handler of {name} is not an async function.", hint="Write `async def`.")
        check_upgrades(name, options.get("version", 1), options.get("upgrades", {}))
        check_sealing(name, options)
        check_isolation(name, options.get("runs_in", "loop"), options.get("isolation"))
        for word in (name, *options.get("aliases", ())):
            if not _NAME.match(word):
                raise PluginError(f"{word!r} is no name for a job type.", hint="Use lower case, digits and dashes.")
        return JobType(
            name=name,
            handler=function,
            payload_type=_payload_type(function, name),
            description=inspect.getdoc(function) or "",
            **_whole(options),
        )

    return declare


def _whole(options: JobOptions) -> dict[str, Any]:
    """The options as a job type holds them: short forms written out, what is not given left to its default."""
    given: dict[str, Any] = dict(options)
    if given.get("backoff", ...) is None:
        del given["backoff"]
    if isinstance(schedule := given.get("schedule"), str):
        given["schedule"] = Schedule(expression=schedule)
    for name, kind in (("concurrency", Concurrency), ("on_events", str | Trigger)):
        if isinstance(value := given.get(name), kind):
            given[name] = (value,)
    return given


def _payload_type(function: Callable[..., object], name: str) -> type[msgspec.Struct]:
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) == 1:
        return NoPayload
    if len(parameters) != 2:  # noqa: PLR2004 - the context and the payload
        raise PluginError(
            f"The handler of {name} takes {len(parameters)} parameters.", hint="It takes ctx, or ctx and payload."
        )
    annotation = parameters[1].annotation
    if isinstance(annotation, str):
        annotation = _resolve(annotation, function, name)
    if not (isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)):
        raise PluginError(f"The payload of {name} has no type.", hint="Annotate it with a subclass of crmd.Payload.")
    return annotation


def _resolve(annotation: str, function: Callable[..., object], name: str) -> object:
    """Only this one annotation: others may name types that are imported for type checkers alone."""
    try:
        module = sys.modules[function.__module__]
        return eval(annotation, vars(module))  # noqa: S307 - the plugin's own source, which runs anyway
    except NameError as error:
        raise PluginError(
            f"The payload type of {name} cannot be read: {error}.", hint="Import it outside TYPE_CHECKING."
        ) from error
