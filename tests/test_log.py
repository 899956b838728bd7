from __future__ import annotations

import io
import json
import logging
import socket
import sys
import warnings
from typing import TYPE_CHECKING

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.errors import CrmdError
from crmd.log import FIELDS, configure_logging, described, log_context, plugin_logger, redacted
from crmd.log.fields import FIELD_MAX_CHARS
from crmd.log.formats import JsonFormatter, TextFormatter
from crmd.log.journald import JournaldHandler, entry, is_journal, journal_fields
from crmd.log.redaction import TEXT_MAX_CHARS
from crmd.log.setup import HANDLER_NAME, chosen_format
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CANARY = "cAnArY-1234567"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Leaves the process's logging as it was."""
    root = logging.getLogger()
    level, access = root.level, logging.getLogger("aiohttp.access").level
    yield
    for handler in [one for one in root.handlers if one.name == HANDLER_NAME]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.getLogger("aiohttp.access").setLevel(access)
    logging.captureWarnings(capture=False)


def record(message: str, *args: object, error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    """A line as a logger makes it."""
    exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.getLogger("crmd.test").makeRecord(
        "crmd.test", logging.INFO, __file__, 7, message, args, exc_info, "func", extra or None
    )


def raised(error: BaseException) -> BaseException:
    """The exception with a traceback, as an `except` block sees it."""
    try:
        raise error  # noqa: TRY301 - raised only to get its traceback
    except BaseException as caught:  # noqa: BLE001 - handed back, not swallowed
        return caught


def json_of(line: logging.LogRecord) -> dict[str, object]:
    """The line as the JSON formatter writes it."""
    result: dict[str, object] = json.loads(JsonFormatter().format(line))
    return result


def test_a_json_line_has_its_fields() -> None:
    """One object a line: time in UTC, level, logger, message and the fields of the running job."""
    with log_context(job_id="j1", workspace_id="w1"), log_context(attempt=2):
        line = json_of(record("done %s", 3, queue="fast", workspace_id="w2"))
    at = line.pop("at")
    assert isinstance(at, str)
    assert at.endswith("Z")
    expected = {"level": "info", "logger": "crmd.test", "message": "done 3", "job_id": "j1", "attempt": 2}
    assert line == {**expected, "queue": "fast", "workspace_id": "w2"}
    assert "job_id" not in json_of(record("outside"))


def test_only_listed_fields_are_written() -> None:
    """An `extra` that is not on the list never reaches a log; a context with one is refused."""
    assert CANARY not in JsonFormatter().format(record("x", payload=CANARY, token=CANARY))
    with pytest.raises(ValueError, match="payload"), log_context(payload=CANARY):
        pass
    assert json_of(record("x", job_id={"a": CANARY}))["job_id"] == "dict"
    assert json_of(record("x", job_id="j" * 9999))["job_id"] == "j" * FIELD_MAX_CHARS


def test_a_plugins_lines_carry_its_name() -> None:
    """Whoever reads the log knows which plugin wrote a line."""
    logger = plugin_logger("gmail")
    line = logger.makeRecord(f"{logger.name}.sync", logging.INFO, __file__, 7, "x", (), None)
    assert json_of(line)["plugin"] == "gmail"


def data_error() -> BaseException:
    """The error of asyncpg about an argument, which quotes it."""
    return raised(asyncpg.DataError(f"invalid input for query argument $1: '{CANARY}'"))


def chained_error() -> BaseException:
    """An error with a cause, a context and a group, all of which quote data."""
    group = ExceptionGroup(CANARY, [ValueError(CANARY)])
    group.__cause__ = raised(KeyError(CANARY))
    return raised(group)


@pytest.mark.parametrize("make", [data_error, chained_error])
@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter(), TextFormatter(is_bare=True)])
def test_an_exceptions_text_is_never_logged(make: Callable[[], BaseException], formatter: logging.Formatter) -> None:
    """Texts of exceptions hold argument values: class, SQLSTATE and code location are told instead."""
    error = make()
    for line in (record("failed: %s", error), record("failed", error=error), record("%(e)s", {"e": error})):
        text = formatter.format(line)
        assert CANARY not in text
        assert type(error).__name__ in text
    assert CANARY not in str(journal_fields(record("failed: %s", error, error=error)))


def test_an_error_is_told_by_class_state_and_place() -> None:
    """What a developer needs: the kind of fault, PostgreSQL's code for it, the line, and the causes."""
    error = raised(asyncpg.UniqueViolationError(CANARY))
    text = described(error)
    assert text.startswith("asyncpg.exceptions.UniqueViolationError (SQLSTATE 23505) at ")
    assert f"{__file__}:" in text
    assert text.endswith(" raised")
    chain = described(chained_error())
    assert "member ValueError" in chain
    assert "caused by KeyError at " in chain


def test_an_operators_sentence_is_told_whole() -> None:
    """A CrmdError is written for people and says what to do."""
    error = raised(CrmdError("The disk is full.", hint="Make room."))
    assert "The disk is full. Make room." in json_of(record("stopped: %s", error))["message"]  # type: ignore[operator]  # a str
    assert "The disk is full." in described(error)


@pytest.mark.parametrize(
    "text",
    [
        f"connect to postgresql://crmd:{CANARY}@host/db",
        f"Authorization: Bearer {CANARY}",
        f'{{"client_secret": "{CANARY}"}}',
        f"POST /token?refresh_token={CANARY}&x=1",
        f"password={CANARY}",
        f"key crmd_ab12_{CANARY}",
        f"ya29.{CANARY}",
        f"eyJhbGciOiJIUzI1NiJ9.{CANARY}",
        f"secret {Secret(CANARY)} {Secret(CANARY)!r}",
    ],
)
def test_what_looks_like_a_credential_is_masked(text: str) -> None:
    """The last net: a credential that code should not have logged does not get through."""
    assert CANARY not in json.dumps(json_of(record(text)))
    assert CANARY not in json.dumps(json_of(record("%s", text)))


@pytest.mark.parametrize(
    "piece", ["://:", "eyJ-", "bearer ", "secret=", "crmd_a_", "_", "a:b@", "://a:", "token", "1//"]
)
def test_redaction_stays_fast_on_hostile_text(piece: str) -> None:
    """Any text is bounded first and every pattern is linear, so a line costs a bounded number of steps."""
    text = piece * (4_000_000 // len(piece))
    assert len(redacted(text)) <= 4 * TEXT_MAX_CHARS


@given(st.text())
def test_harmless_texts_stay_as_they_are_or_are_masked_again_the_same(text: str) -> None:
    """Redaction is stable: masking a masked text changes nothing."""
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_what_utf8_cannot_hold_does_not_lose_the_line(formatter: logging.Formatter) -> None:
    """A lone surrogate in a message or a field is replaced; logging would else print the whole record instead."""
    line = formatter.format(record("tries again: %s", "\ud800 kept \x00", plugin="\udfff"))
    assert "kept" in line
    assert "\ud800" not in line
    assert "\udfff" not in line
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    written.write(formatter.format(record("%s", "\ud800")))
    written.flush()


def test_a_journal_entry_holds_what_utf8_cannot() -> None:
    """A journal gets the line, too."""
    assert b"kept" in entry(journal_fields(record("\ud800 kept %s", "\udfff")))


def test_a_wrong_format_string_does_not_lose_the_line() -> None:
    """A plugin's `log.info("%d", "x")` still shows up."""
    assert json_of(record("count %d of %d", 1))["message"] == "count %d of %d"


def test_asyncio_does_not_print_a_lost_tasks_exception() -> None:
    """The report of asyncio holds the exception's text after its first line; only that line is kept."""
    line = record(f"Task exception was never retrieved\nfuture: <Task exception=ValueError('{CANARY}')>")
    line.name = "asyncio"
    assert json_of(line)["message"] == "Task exception was never retrieved"


@given(st.dictionaries(st.sampled_from(["A", "MESSAGE", "CRMD_X"]), st.text(max_size=50)))
def test_a_journal_value_cannot_forge_a_field(fields: dict[str, str]) -> None:
    """A value with line breaks is sent by length, so it never becomes a field of its own."""
    data, found = entry(fields), {}
    while data:
        head, _, data = data.partition(b"\n")
        name, is_short, value = head.partition(b"=")
        if not is_short:
            length = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + length], data[9 + length :]
        found[name.decode()] = value.decode()
    assert found == {name: value.encode(errors="replace").decode() for name, value in fields.items()}


def test_lines_reach_the_journal_with_fields(tmp_path: Path) -> None:
    """The handler speaks journald's native protocol, with CRMD_ fields and no time stamp of its own."""
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        handler = JournaldHandler(path)
        with log_context(job_id="j1"):
            handler.emit(record("line one\nline two"))
        data = journal.recv(65536)
        handler.close()
    assert b"MESSAGE\n\x11\x00\x00\x00\x00\x00\x00\x00line one\nline two\n" in data
    assert b"PRIORITY=6\nSYSLOG_IDENTIFIER=crmd\n" in data
    assert b"CRMD_JOB_ID=j1\n" in data


def test_a_journal_that_is_gone_does_not_stop_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Logging never raises into a job; the loss is told on standard error."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    handler = JournaldHandler(str(tmp_path / "gone"))
    handler.emit(record("lost"))
    handler.close()
    assert "FileNotFoundError" in capsys.readouterr().err


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """As a terminal answers."""
        return True


def test_the_form_follows_where_the_lines_go() -> None:
    """auto: text on a terminal, JSON in a pipe; a setting wins over both."""
    assert chosen_format("auto", {}, io.StringIO()) == "json"
    assert chosen_format("auto", {}, Terminal()) == "text"
    assert chosen_format("text", {}, io.StringIO()) == "text"
    assert is_journal(sys.__stderr__ or io.StringIO(), {"JOURNAL_STREAM": "1:1"}) is False
    assert is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:1"}) is False


@pytest.mark.parametrize(("form", "stream"), [("json", io.StringIO()), ("text", io.StringIO()), ("text", Terminal())])
def test_one_handler_however_often_it_is_set_up(form: str, stream: io.StringIO) -> None:
    """A reload changes form and level in place: each line is written once, warnings too."""
    configure_logging("json", "debug", {}, stream)
    configure_logging(form, "info", {}, stream)  # type: ignore[arg-type]  # from a parameter list
    with log_context(job_id="j1"):
        logging.getLogger("crmd.engine").info("hello [bold]%s[/bold]", "you")
    logging.getLogger("crmd.engine").debug("not this")
    logging.getLogger("aiohttp.access").info("GET /?token=%s", CANARY)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", stacklevel=1)
    text = stream.getvalue()
    assert text.count("hello [bold]you[/bold]") == 1
    assert "j1" in text
    assert "old way" in text
    assert "not this" not in text
    assert CANARY not in text


def test_field_names_do_not_clash_with_logging() -> None:
    """No field has the name of a LogRecord attribute, which logging would refuse in `extra`."""
    assert not set(FIELDS) & set(record("x").__dict__)
