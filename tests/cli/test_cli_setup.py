from __future__ import annotations

import asyncio
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import asyncpg
import pytest

from crmd.config.showing import documented

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.config.loading import Config
    from tests.cli.conftest import Run


def uncommented(text: str) -> str:
    """The settings of a written file, put into force: the `#` is taken away before each table and key."""
    lines = [line[1:] for line in text.splitlines() if line.startswith("#") and not line.startswith("# ")]
    return "\n".join(lines)


def test_init_writes_every_setting_and_nothing_in_force(crmd: Run, tmp_path: Path) -> None:
    """The written file changes nothing, passes `check`, and names every setting there is."""
    assert crmd("init").code == 0
    text = (tmp_path / "crmd.toml").read_text("utf-8")
    assert tomllib.loads(text) == {}
    assert crmd("check").code == 0
    assert all(f"#{setting.key.rpartition('.')[2]} = " in text for setting in documented())
    assert set(tomllib.loads(uncommented(text))) >= {"database", "daemon", "log", "plugins", "jobs"}


def test_init_never_replaces_a_file_unasked(crmd: Run, tmp_path: Path) -> None:
    """A file that is there stays, unless --force is given."""
    (tmp_path / "crmd.toml").write_text("# mine\n")
    answer = crmd("init")
    assert answer.code == 1
    assert "is there already" in answer.err
    assert (tmp_path / "crmd.toml").read_text("utf-8") == "# mine\n"
    assert crmd("init", "--force").code == 0
    assert (tmp_path / "crmd.toml").read_text("utf-8") != "# mine\n"


def test_check_lists_every_problem_with_its_place(crmd: Run, tmp_path: Path) -> None:
    """All faults of a file are listed at once, each with its line, and the exit code is 3."""
    (tmp_path / "crmd.toml").write_text('[log]\nlevel = "loud"\n[daemon]\nlease_second = 5\n')
    answer = crmd("check", "--json")
    assert answer.code == 3
    assert sorted(row["where"].rpartition("/")[2] for row in answer.json) == ["crmd.toml:2", "crmd.toml:4"]


def test_check_knows_the_names_of_job_types(crmd: Run, tmp_path: Path) -> None:
    """A table of a job type that no plugin declares is named with its line and the nearest name."""
    (tmp_path / "crmd.toml").write_text("[jobs.trial-gret]\nmax_attempts = 5\n")
    answer = crmd("check", "--json")
    assert answer.code == 3
    [row] = answer.json
    assert row["where"].endswith("crmd.toml:2")
    assert "trial-greet" in row["problem"]


def test_config_show_masks_secrets_and_tells_origins(crmd: Run) -> None:
    """Every setting is shown with what has set it; the DSN and the key are not readable."""
    rows = {row["key"]: row for row in crmd("config", "show", "--origin", "--json").json}
    assert rows["database.dsn"]["origin"] == "$CRMD__DATABASE__DSN"
    assert "postgresql" not in rows["database.dsn"]["value"]
    assert rows["daemon.lease_seconds"]["origin"] == "default"
    changed = {row["key"]: row for row in crmd("config", "--set", "daemon.lease_seconds=12", "--json").json}
    assert (changed["daemon.lease_seconds"]["value"], changed["daemon.lease_seconds"]["origin"]) == ("12.0", "flag")


def test_migrate_shows_what_is_missing_and_applies_it_once(crmd: Run, environment: dict[str, str]) -> None:
    """A database that is up to date stays as it is; its ledger is read without being written by --dry-run."""
    assert environment
    answer = crmd("migrate", "--dry-run", "--json")
    assert (answer.code, answer.json) == (0, [])
    assert "up to date" in crmd("migrate").err


def test_plugins_tells_what_is_loaded_and_why_not(crmd: Run) -> None:
    """A loaded plugin is listed with its job types, a broken one with its reason."""
    rows = {row["name"]: row for row in crmd("plugins", "--json", "--set", "plugins.enabled=trial,trail").json}
    assert rows["trial"]["state"] == "loaded"
    assert "trial-greet" in [job_type["name"] for job_type in rows["trial"]["job_types"]]
    assert rows["trail"]["state"] == "broken"
    assert "no installed package declares it" in rows["trail"]["reason"]


def test_plugins_tells_of_trouble_and_releases(crmd: Run, crmd_config: Config) -> None:
    """A quarantined plugin is listed with what it did and when one of its jobs tries; a release ends it, once."""
    crmd("migrate")
    assert crmd_config.database.dsn is not None
    asyncio.run(_quarantine(crmd_config.database.dsn.reveal()))
    [row] = [row for row in crmd("plugins", "--json").json if row["name"] == "trial"]
    assert (row["state"], row["blame"]["crashes"], row["blame"]["errors"]) == ("quarantined", 3, {"ValueError": 7})
    assert "killed by SIGSEGV" in row["reason"]
    shown = crmd("plugins").out
    assert "3 crashes" in shown
    assert "ValueError 7" in shown
    assert crmd("doctor").code == 1
    assert crmd("plugins", "release", "trial").code == 0
    assert crmd("plugins", "release", "trial").code == 2
    [row] = [row for row in crmd("plugins", "--json").json if row["name"] == "trial"]
    assert row["state"] == "loaded"


async def _quarantine(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        """INSERT INTO crmd.blame (plugin, on_day, crashes, crash_reason, errors)
           VALUES ('trial', (crmd.clock() AT TIME ZONE 'UTC')::date, 3, 'x', '{"ValueError": 7}')"""
    )
    await connection.execute(
        """INSERT INTO crmd.quarantine (plugin, version, reason, quarantined_at, probe_at)
           VALUES ('trial', 'v', 'killed by SIGSEGV', crmd.clock(), crmd.clock() + interval '10 minutes')"""
    )
    await connection.close()


def test_a_plugin_adds_commands(crmd: Run) -> None:
    """A command that a plugin declares runs, with the exit code that it gives."""
    answer = crmd("trial-say", "hello")
    assert (answer.code, answer.out) == (7, "hello\n")


def test_doctor_finds_what_is_wrong(crmd: Run) -> None:
    """A healthy installation has nothing broken; without a daemon that is said, with the fix."""
    crmd("migrate")
    answer = crmd("doctor", "--json")
    assert answer.code == 0, answer.json
    found = {finding["about"]: finding for finding in answer.json}
    assert found["database"]["state"] == "ok"
    assert (found["daemons"]["state"], found["daemons"]["fix"]) == ("warning", "Start one: crmd run")


def test_doctor_names_what_is_broken(crmd: Run) -> None:
    """A database that is not there and a plugin that is not installed are findings with their fixes; 1 is the end."""
    nowhere = "database.dsn=postgresql://u:p@127.0.0.1:1/x"
    answer = crmd("doctor", "--json", "--set", nowhere, "--set", "plugins.enabled=x")
    assert answer.code == 1
    broken = {finding["about"]: finding for finding in answer.json if finding["state"] == "broken"}
    assert set(broken) == {"database", "plugin x"}
    assert all(finding["fix"] for finding in broken.values())


def test_a_new_plugin_is_clean_and_passes_its_own_test(crmd: Run, environment: dict[str, str], tmp_path: Path) -> None:
    """What `plugin new` writes passes ruff, mypy --strict and its own test, and its job runs."""
    answer = crmd("plugin", "new", "lead-scoring", "--json")
    assert answer.code == 0, answer.err
    folder = tmp_path / "crmd-lead-scoring"
    python = {**environment, "PYTHONPATH": str(folder)}
    for words in (
        ["ruff", "check", "--select", "E,F,I,UP,B,D1", "."],
        ["ruff", "format", "--check", "."],
        ["mypy", "crmd_lead_scoring"],
        ["pytest", "-q", "-p", "no:cacheprovider"],
    ):
        done = subprocess.run([sys.executable, "-m", *words], cwd=folder, env=python, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    again = crmd("plugin", "new", "lead-scoring")
    assert again.code == 1
    assert "is there already" in again.err


@pytest.mark.parametrize("name", ["trial", "Lead", "lead_scoring", "../x", "class", "", "lead--scoring", "a" * 200])
def test_a_new_plugin_needs_a_name_of_its_own(crmd: Run, tmp_path: Path, name: str) -> None:
    """A name that is taken, or that is none, is refused before anything is written."""
    before = sorted(tmp_path.iterdir())
    assert crmd("plugin", "new", name).code == 2
    assert sorted(tmp_path.iterdir()) == before
