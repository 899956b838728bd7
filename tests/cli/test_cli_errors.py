from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Answer, Run

USAGE, CONFIG, UNREACHABLE = 2, 3, 4


def assert_is_a_sentence(answer: Answer, code: int, *fragments: str) -> None:
    """An error is told by its code and by one sentence on standard error, never by a traceback."""
    assert answer.code == code, answer.err
    assert answer.out == ""
    assert answer.err.removeprefix("Opening the database …\n").startswith("crmd: ")
    assert "Traceback" not in answer.err
    for fragment in fragments:
        assert fragment in answer.err


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (["jbs"], ["There is no command 'jbs'", "Did you mean jobs?"]),
        (["jobs", "lst"], ["invalid choice: 'lst'", "`crmd jobs --help`"]),
        (["jobs", "list", "--status", "ended"], ["invalid choice: 'ended'", "dead"]),
        (["run-once"], ["JOB"]),
        (["run-once", "trial-gret"], ["There is no job type 'trial-gret'", "Did you mean trial-greet?"]),
        (["enqueue", "zzz"], ["There is no job type 'zzz'", "crmd plugins"]),
        (["run-once", "trial-greet", "--payload", '{"cuont": 1}'], ["unknown field `cuont`", "Its fields are count?"]),
        (["run-once", "trial-greet", "--payload", '{"count": "x"}'], ["Expected `int`, got `str`", "$.count"]),
        (["run-once", "trial-greet", "--payload", "{count"], ["not JSON"]),
        (["run-once", "trial-greet", "--payload", "[1]"], ["not a JSON object"]),
        (["run-once", "trial-greet", "--payload", "@no.json"], ["no.json cannot be read: No such file"]),
        (["run-once", "trial-connected"], ["missing required field `connectionId`"]),
        (["run-once", "trial-connected", "--payload", f'{{"connectionId": "{uuid4()}"}}'], ["There is no connection"]),
        (["run-once", "trial-greet", "--user", "me"], ["'me' is no id of a user"]),
        (["jobs", "show", "xyz"], ["'xyz' is no id of job"]),
        (["jobs", "cancel", "0123"], ["There is no job 0123", "crmd jobs list"]),
        (["schedules", "pause", "trial/trial-gret"], ["There is no schedule"]),
        (["connections", "test", "0123"], ["There is no connection 0123"]),
        (["connections", "add", "trail", "--workspace", "w"], ["There is no provider 'trail'", "Did you mean trial?"]),
        (["enqueue", "trial-greet", "--in", "soon"], ["'soon' is no duration", "5m"]),
        (["enqueue", "trial-greet", "--at", "2030-01-01T00:00"], ["does not say its time zone"]),
        (["jobs", "--set", "level=debug"], ["--set 'level=debug' is no setting"]),
        (["plugin", "new", "Not_A_Name"], ["'Not_A_Name' is no name for a plugin"]),
    ],
)
def test_wrong_words_are_told_in_a_sentence(crmd: Run, words: list[str], fragments: list[str]) -> None:
    """Whatever is mistyped is named with the next step, and the exit code is 2."""
    assert_is_a_sentence(crmd(*words), USAGE, *fragments)


@pytest.mark.parametrize(
    ("dsn", "fragment"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/x", "Connection refused"),
        ("postgresql://u:hunter2@nowhere.invalid/x", "cannot be reached"),
        ("postgresql://u:hunter2@127.0.0.1:port/x", "the address is not a PostgreSQL URL"),
        ("mysql://u:hunter2@127.0.0.1/x", "the address is not a PostgreSQL URL"),
        ("hunter2", "the address is not a PostgreSQL URL"),
    ],
)
@pytest.mark.parametrize("words", [["jobs"], ["run-once", "trial-greet"], ["run"], ["migrate"]])
def test_a_wrong_dsn_is_told_without_its_password(crmd: Run, words: list[str], dsn: str, fragment: str) -> None:
    """A database that is not there ends every command with 4; the password is not printed."""
    answer = crmd(*words, "--set", f"database.dsn={dsn}", "--set", "database.connect_timeout_seconds=5")
    assert answer.code == UNREACHABLE, answer.err
    assert fragment in answer.err
    assert "Traceback" not in answer.err
    assert "hunter2" not in answer.err


def test_a_wrong_database_and_a_wrong_role_are_told(crmd: Run, environment: dict[str, str]) -> None:
    """A server that answers and refuses is told in its own words."""
    dsn = environment["CRMD__DATABASE__DSN"]
    name = dsn.partition("?")[0].rpartition("/")[2]
    answer = crmd("jobs", "--set", f"database.dsn={dsn.replace(f'/{name}', '/nosuchdatabase')}")
    assert_is_a_sentence(answer, UNREACHABLE, 'database "nosuchdatabase" does not exist')
    user = dsn.partition("://")[2].partition(":")[0]
    answer = crmd("jobs", "--set", f"database.dsn={dsn.replace(f'://{user}:', '://nosuchrole:')}")
    assert answer.code == UNREACHABLE
    assert "Traceback" not in answer.err


def test_a_wrong_key_is_told_with_its_line(crmd: Run, tmp_path: Path) -> None:
    """A misspelt key in crmd.toml is named with file, line and the nearest key; the exit code is 3."""
    (tmp_path / "crmd.toml").write_text("[daemon]\nlease_second = 5\n")
    assert_is_a_sentence(crmd("jobs"), CONFIG, "crmd.toml:2", "daemon.lease_second", "lease_seconds")


def test_a_missing_config_file_is_told(crmd: Run) -> None:
    """A file that is named and not there is a fault of the configuration."""
    assert_is_a_sentence(crmd("--config", "no.toml", "jobs"), CONFIG, "no.toml is not there")


def test_a_wrong_setting_flag_is_told(crmd: Run) -> None:
    """A value that does not fit is named with its key, before or after the command."""
    assert_is_a_sentence(crmd("--set", "daemon.lease_seconds=soon", "jobs"), CONFIG, "daemon.lease_seconds")
    assert_is_a_sentence(crmd("jobs", "--set", "daemon.lease_seconds=soon"), CONFIG, "daemon.lease_seconds")


def test_a_plugin_that_is_not_installed_keeps_nothing_else_from_working(crmd: Run) -> None:
    """A wrong plugin is named by `check` (3) and `plugins`; jobs of the others run."""
    wrong = ("--set", "plugins.enabled=trial,trail")
    answer = crmd("check", *wrong)
    assert answer.code == CONFIG
    assert "plugin trail" in answer.out
    assert "Did you mean 'trial'?" in answer.out
    assert crmd("run-once", "trial-greet", *wrong).code == 0


def test_a_fatal_plugin_keeps_the_daemon_from_starting(crmd: Run) -> None:
    """With on_start_error = fatal the daemon names the plugin that cannot be used, and ends with 3."""
    answer = crmd("run", "--set", "plugins.enabled=trail", "--set", "plugins.on_start_error=fatal")
    assert_is_a_sentence(answer, CONFIG, "trail", "on_start_error")


def test_a_process_gives_the_same_codes(crmd_process: Run) -> None:
    """The exit codes reach the shell."""
    assert_is_a_sentence(crmd_process("run-once", "trial-gret"), USAGE, "Did you mean trial-greet?")
    assert_is_a_sentence(crmd_process("jobs", "--set", "log.level=loud"), CONFIG, "log.level")


def test_an_unforeseen_error_is_a_sentence_too(crmd: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is told by its class and place and ends with 1; --debug shows it whole."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr("crmd.cli.attached.configured", broken)
    assert_is_a_sentence(crmd("jobs"), 1, "ZeroDivisionError at test_cli_errors.py:", "by nought", "--debug")
    with pytest.raises(ZeroDivisionError):
        crmd("jobs", "--debug")


def test_a_database_without_tables_is_told(crmd: Run, environment: dict[str, str]) -> None:
    """Looking at a database that was never set up says what to do, and creates nothing."""
    dsn = environment["CRMD__DATABASE__DSN"]
    name = dsn.partition("?")[0].rpartition("/")[2]
    empty = dsn.replace(f"/{name}", "/template1")
    assert_is_a_sentence(crmd("jobs", "--set", f"database.dsn={empty}"), 1, "not set up", "crmd migrate")
