from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from crmd.config.settings import Daemon
from crmd.embedded.orphan import END_SECONDS
from crmd.errors import ExitCode

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "crmd.service"
EXPOSURE_MAX = 15
"""`systemd-analyze security` counts tenths here: 1.5."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def settings() -> dict[str, list[str]]:
    """The unit's settings, each with its values in order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@needs_systemd
def test_the_unit_is_hardened() -> None:
    """The unit, says systemd itself, is exposed at 1.5 or less."""
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(UNIT)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-400:]


@needs_systemd
def test_the_unit_is_understood(tmp_path: Path) -> None:
    """Every line of the unit means something to systemd 252 and later."""
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], check=False, capture_output=True, text=True)  # noqa: S607 - fixed words
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_the_account_and_folders_are_understood(tmp_path: Path) -> None:
    """The account and the folders come to be on an empty system."""
    if os.geteuid() != 0:
        pytest.skip("making accounts below another root needs root")
    (tmp_path / "etc").mkdir()
    users = ["systemd-sysusers", f"--root={tmp_path}", str(ROOT / "systemd" / "crmd.sysusers.conf")]
    subprocess.run(users, check=True, capture_output=True)
    account = next(line for line in (tmp_path / "etc" / "passwd").read_text().splitlines() if line.startswith("crmd:"))
    assert account.endswith(":/var/lib/crmd:/usr/sbin/nologin")
    folders = ["systemd-tmpfiles", "--create", f"--root={tmp_path}", str(ROOT / "systemd" / "crmd.tmpfiles.conf")]
    subprocess.run(folders, check=True, capture_output=True)
    assert (tmp_path / "etc" / "crmd").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "etc" / "crmd").stat().st_gid == int(account.split(":")[3])
    assert (tmp_path / "etc" / "credstore").stat().st_mode & 0o777 == 0o700


def test_the_unit_leaves_time_to_drain() -> None:
    """The wait of systemd is longer than the drain and the stop of the embedded server take together by default."""
    assert int(settings()["TimeoutStopSec"][0]) > Daemon().drain_seconds + END_SECONDS


def test_the_unit_fits_the_daemon() -> None:
    """What the daemon relies on: notify, its own signals, no restart for a wrong configuration."""
    unit = settings()
    assert unit["Type"] == ["notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert unit["KillMode"] == ["mixed"]
    assert set(unit["RestartPreventExitStatus"][0].split()) == {str(int(ExitCode.USAGE)), str(int(ExitCode.CONFIG))}
    assert "crmd-master-key" in unit["LoadCredential"]


def test_every_group_of_settings_says_why() -> None:
    """A comment stands above each setting that is not obvious, or above its group."""
    lines = UNIT.read_text().splitlines()
    assert sum(line.startswith("#") for line in lines) > len(lines) // 4
