from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.config import check_config, check_table, documented, load_config, shown
from crmd.config.layers import ENV_FILE_SUFFIX
from crmd.config.lines import key_lines, line_of
from crmd.config.search import state_dir
from crmd.config.settings import NAMED_SECTIONS, SECTIONS
from crmd.errors import ConfigError, ExitCode
from crmd.secret import Secret

HERE = Path(__file__).parent.parent
NOWHERE = {"HOME": "/nonexistent"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs each test in an empty folder, so that no ./crmd.toml is found by chance."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")


def written(folder: Path, text: str) -> Path:
    """A config file with this text."""
    file = folder / "crmd.toml"
    file.write_text(text)
    return file


def problems_of(folder: Path, text: str, **environ: str) -> list[str]:
    """The problems of this text, without the folder's name."""
    _, problems = check_config(written(folder, text), {**NOWHERE, **environ}, {})
    return [str(problem).removeprefix(f"{folder}/") for problem in problems]


def test_all_problems_are_listed_at_once_with_file_and_line(tmp_path: Path) -> None:
    """One check names every fault, where it stands and the nearest right name."""
    text = (
        '[databse]\ndsn = "x"\n[database]\npool_mx = 3\npool_max = "x"\n[log]\nlevel = "loud"\n[limits.a]\nburst = 1\n'
    )
    assert problems_of(tmp_path, text) == [
        "crmd.toml:2: unknown section 'databse'; did you mean 'database'?",
        "crmd.toml:4: unknown key 'database.pool_mx'; did you mean 'pool_max'?",
        "crmd.toml:5: database.pool_max: expected `int`, got `str`.",
        "crmd.toml:7: log.level: invalid enum value 'loud', choose one of debug, info, warning, error.",
        "crmd.toml:9: limits.a lacks the key 'units'.",
    ]


def test_a_value_where_a_table_belongs_is_told(tmp_path: Path) -> None:
    """`queues = 3` and `[jobs] x = 1` say which table to write."""
    queues, jobs = problems_of(tmp_path, "queues = 3\n[jobs]\nsync = 1\n")
    assert queues == "crmd.toml:1: 'queues' is a table: write [queues] and its keys below it."
    assert jobs.startswith("crmd.toml:3: 'jobs.sync' is a table: write [jobs.sync] with the keys enabled, queue, ")


def test_flags_beat_environment_beats_credentials_beats_file(tmp_path: Path) -> None:
    """Each layer wins over the weaker ones, and the origin says which one did."""
    file = written(tmp_path, "[retention]\narchive_days = 1\nevent_days = 1\ntick_days = 1\n[queues.fast]\nslots = 1\n")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for key in ("archive_days", "event_days", "tick_days"):
        (credentials / f"crmd.retention.{key}").write_text("2\n")
    environ = {
        **NOWHERE,
        "CREDENTIALS_DIRECTORY": str(credentials),
        "CRMD__RETENTION__ARCHIVE_DAYS": "3",
        "CRMD__RETENTION__EVENT_DAYS": "3",
    }
    config = load_config(file, environ, {"retention.archive_days": 4, "log.level": None})
    assert (config.retention.archive_days, config.retention.event_days, config.retention.tick_days) == (4, 3, 2)
    assert config.queues["fast"].slots == 1
    origins = {line.key: line.origin for line in shown(config)}
    assert origins["retention.archive_days"] == "flag"
    assert origins["retention.event_days"] == "$CRMD__RETENTION__EVENT_DAYS"
    assert origins["retention.tick_days"] == "credential crmd.retention.tick_days"
    assert origins["queues.fast.slots"] == f"{file}:6"
    assert origins["log.level"] == "default"


def test_environment_texts_become_numbers_lists_and_job_names(tmp_path: Path) -> None:
    """Everything a file can say can be said by a variable."""
    (tmp_path / "dsn").write_text("postgresql://secret@host/db\n")
    environ = {
        **NOWHERE,
        "CRMD__PLUGINS__ENABLED": "crm, gmail",
        "CRMD__DATABASE__STATEMENT_CACHE": "false",
        "CRMD__DATABASE__DSN_FILE": str(tmp_path / "dsn"),
        "CRMD__JOBS__SYNC_GMAIL__CONCURRENCY": '[{"max": 2, "per": "workspace"}]',
        "CRMD__EMBEDDED__SHARED_BUFFERS": "64MB",
    }
    config = load_config(None, environ, {})
    assert config.plugins.enabled == ("crm", "gmail")
    assert config.database.statement_cache is False
    assert config.database.dsn == Secret("postgresql://secret@host/db")
    rules = config.jobs["sync-gmail"].concurrency
    assert rules is not None
    assert [(rule.max, rule.per) for rule in rules] == [(2, "workspace")]
    assert config.embedded == {"shared_buffers": "64MB"}


def test_numbers_in_the_file_are_not_texts(tmp_path: Path) -> None:
    """A quoted number in crmd.toml is a mistake and stays one, unlike in a variable."""
    assert problems_of(tmp_path, '[database]\npool_max = "5"\n') == [
        "crmd.toml:2: database.pool_max: expected `int`, got `str`."
    ]
    assert problems_of(tmp_path, "", CRMD__DATABASE__POOL_MAX="5") == []


def test_secrets_are_never_printed(tmp_path: Path) -> None:
    """Neither the config's repr, nor what is shown, nor a problem holds a secret."""
    canary = "cAnArY-1234567"
    file = written(tmp_path, f'[plugins.gmail]\nclient_secret = "{canary}"\n')
    environ = {**NOWHERE, "CRMD__DATABASE__DSN": f"postgresql://u:{canary}@h/d", "CRMD_MASTER_KEY": canary}
    config = load_config(file, environ, {})
    assert config.vault.master_key == Secret(canary)
    assert canary not in repr(config)
    assert canary not in str(shown(config))
    assert canary not in f"{config.vault.master_key} {config.vault.master_key!r} {config.vault.master_key:>40}"
    _, problems = check_config(file, {**environ, "CRMD__DATABASE__DSN__X": canary}, {"database.pool_max": canary})
    assert problems
    assert canary not in str(problems)


def test_the_master_key_comes_from_its_own_credential(tmp_path: Path) -> None:
    """`LoadCredential=crmd-master-key` is all that the unit needs."""
    (tmp_path / "crmd-master-key").write_text("k1:abc\n")
    config = load_config(None, {**NOWHERE, "CREDENTIALS_DIRECTORY": str(tmp_path)}, {})
    assert config.vault.master_key == Secret("k1:abc")


def test_directories_come_from_systemd_then_xdg(tmp_path: Path) -> None:
    """State, runtime and config folders are those that the service or the desktop gives."""
    assert state_dir(None, NOWHERE, is_root=False) == Path("/nonexistent/.local/state/crmd")
    assert state_dir(None, NOWHERE, is_root=True) == Path("/var/lib/crmd")
    assert load_config(None, {**NOWHERE, "XDG_STATE_HOME": "relative"}, {}).state_dir.is_absolute()
    assert load_config(None, {**NOWHERE, "XDG_STATE_HOME": "/xdg"}, {}).state_dir == Path("/xdg/crmd")
    written(tmp_path, "[retention]\nevent_days = 7\n")
    environ = {
        **NOWHERE,
        "STATE_DIRECTORY": "/var/lib/crmd:/other",
        "RUNTIME_DIRECTORY": "/run/crmd",
        "CONFIGURATION_DIRECTORY": str(tmp_path),
    }
    config = load_config(None, environ, {})
    assert (config.state_dir, config.runtime_dir) == (Path("/var/lib/crmd"), Path("/run/crmd"))
    assert (config.retention.event_days, config.path) == (7, tmp_path / "crmd.toml")


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"[log\n", b"a = 1\na = 2\n"])
def test_an_unreadable_file_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    """Missing, binary or broken files end with a sentence, a hint and exit code 3."""
    file = tmp_path / "crmd.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(file, NOWHERE, {})
    assert str(file) in caught.value.sentence
    assert caught.value.hint
    assert caught.value.exit_code == ExitCode.CONFIG


def test_an_empty_table_declares_a_queue(tmp_path: Path) -> None:
    """`[queues.bulk]` without keys is a further queue, beside the three that always exist."""
    config = load_config(written(tmp_path, "[queues.bulk]\n[plugins.gmail]\n"), NOWHERE, {})
    assert set(config.queues) == {"fast", "normal", "slow", "bulk"}
    assert set(config.plugin_tables) == {"gmail"}


def test_parameters_of_the_embedded_server_are_written_as_it_reads_them(tmp_path: Path) -> None:
    """Texts, numbers and booleans of `[embedded]` pass; anything else is a problem with its line."""
    text = '[embedded]\nshared_buffers = "64MB"\nmax_connections = 50\njit = false\nrandom_page_cost = 1.5\n'
    config = load_config(written(tmp_path, text), NOWHERE, {})
    expected = {"shared_buffers": "64MB", "max_connections": "50", "jit": "off", "random_page_cost": "1.5"}
    assert config.embedded == expected
    assert problems_of(tmp_path, text + "work_mem = [1]\n") == [
        "crmd.toml:6: embedded.work_mem: expected a text, number or boolean."
    ]


class MailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings as a plugin would declare them."""

    batch_max: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100
    labels: tuple[str, ...] = ()
    password: Secret | None = None

    def __post_init__(self) -> None:
        if self.batch_max > 1 and self.labels == ("none",):
            raise ValueError("labels and batch_max do not fit")


def test_a_plugin_table_is_checked_with_lines(tmp_path: Path) -> None:
    """A plugin's own settings class gets the same checks, places and nearest names as the core's."""
    text = '[plugins.mail]\nbatch_mx = 1\nlabels = ["a"]\npassword = 3\n'
    config = load_config(written(tmp_path, text), {**NOWHERE, "CRMD__PLUGINS__MAIL__BATCH_MAX": "7"}, {})
    settings, problems = check_table(MailSettings, config.plugin_tables["mail"])
    assert settings is None
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in problems] == [
        "crmd.toml:2: unknown key 'plugins.mail.batch_mx'; did you mean 'batch_max'?",
        "crmd.toml:4: plugins.mail.password: expected `str`, got `int`.",
    ]
    file = written(tmp_path, '[plugins.mail]\nlabels = ["a"]\npassword = "p"\n')
    config = load_config(file, {**NOWHERE, "CRMD__PLUGINS__MAIL__BATCH_MAX": "7"}, {})
    settings, problems = check_table(MailSettings, config.plugin_tables["mail"])
    assert settings == MailSettings(batch_max=7, labels=("a",), password=Secret("p"))
    assert problems == []


def test_a_settings_class_may_refuse_what_does_not_fit_together(tmp_path: Path) -> None:
    """A ValueError of a plugin's `__post_init__` becomes a problem with a place, not a traceback."""
    config = load_config(written(tmp_path, '[plugins.mail]\nlabels = ["none"]\n'), NOWHERE, {})
    _, problems = check_table(MailSettings, config.plugin_tables["mail"])
    assert "labels and batch_max do not fit" in str(problems[0])


def test_lines_are_found_past_multi_line_values() -> None:
    """Texts, arrays and comments over several lines, quotes and dots in keys do not shift the lines."""
    text = (
        '# a\n\n[one."two.three"] # [no]\nkey = """\nfake = 1\n[fake]\n"""\nlist = [ # ]\n  "]",\n  {a = 1},\n]\n'
        "a.b = 'x\\'\n[[rows]]\n\"q = 1\" = 2\nlast = '''\n''' # end\nz = {x = [1,\n 2]}\nzz = \"\\\"[\"\nend = 1\n"
    )
    assert key_lines(text) == {
        ("one", "two.three"): 3,
        ("one", "two.three", "key"): 4,
        ("one", "two.three", "list"): 8,
        ("one", "two.three", "a", "b"): 12,
        ("rows",): 13,
        ("rows", "q = 1"): 14,
        ("rows", "last"): 15,
        ("rows", "z"): 17,
        ("rows", "zz"): 19,
        ("rows", "end"): 20,
    }
    assert line_of(key_lines(text), ("rows", "z", "x")) == 17
    assert line_of({}, ("rows",)) is None


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=40) | st.integers() | st.lists(st.text())))
def test_any_toml_that_parses_has_a_line_for_each_key(tree: dict[str, object]) -> None:
    """Whatever texts and lists a file holds, every key of it is found at a line of its own."""
    tomli_w = pytest.importorskip("tomli_w")
    text = tomli_w.dumps(tree, multiline_strings=True)
    try:
        msgspec.toml.decode(text)
    except msgspec.DecodeError:
        return
    lines = key_lines(text)
    assert set(lines) == {(key,) for key in tree}
    assert len(set(lines.values())) == len(tree)


def test_no_setting_name_collides_with_the_file_suffix() -> None:
    """`..._FILE` always means a file that holds the value, so no setting ends that way."""
    kinds = {**SECTIONS, **NAMED_SECTIONS}.values()
    names = [field.name for kind in kinds for field in msgspec.structs.fields(kind)]
    assert not [name for name in names if name.upper().endswith(ENV_FILE_SUFFIX)]


def test_the_reference_tells_every_setting_as_the_code_does() -> None:
    """docs/configuration.md has one row per setting with its default and meaning, and no other."""
    page = (HERE / "docs" / "configuration.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 4]
    assert rows == [f"| `{one.key}` | {one.default} | {one.meaning} |" for one in documented()]


def test_the_sample_names_every_setting_and_is_valid(tmp_path: Path) -> None:
    """crmd.toml as shipped is valid, and stays valid with every commented setting switched on."""
    text = (HERE / "crmd.toml").read_text()
    assert problems_of(tmp_path, text) == []
    loud = "\n".join(line.removeprefix("#") if line.startswith(("#[", "#")) else line for line in text.splitlines())
    loud = "\n".join(line for line in loud.splitlines() if not line.startswith(" "))
    assert problems_of(tmp_path, loud) == []
    lines = key_lines(loud)
    named = {".".join(path) for path in lines}
    for one in documented():
        section, _, rest = one.key.partition(".<name>")
        key = rest.removeprefix(".") or one.key
        assert any(name == one.key or (rest and name.startswith(section) and name.endswith(key)) for name in named), one
