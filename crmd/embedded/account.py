"""The operating-system account that the server runs under: our own, or an unprivileged one when we are root."""

from __future__ import annotations

import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path

from crmd.errors import CrmdError

CANDIDATES = ("crmd", "postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server.

    Args:
        uid: User id; never 0, since PostgreSQL refuses that.
        gid: Its primary group; further groups are dropped.
        name: For people.
        is_ours: The daemon's own account, so nothing is switched and nothing is given away.
    """

    uid: int
    gid: int
    name: str
    is_ours: bool

    def command(self, *arguments: str) -> list[str]:
        """The command under this account, ended by SIGINT (a fast shutdown) when the daemon is gone.

        The kernel sends that signal, so a kill -9 of the daemon ends the server too.
        """
        tie = [str(self.uid), str(self.gid), str(os.getpid())]
        return [sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py")), *tie, *arguments]


def server_account(data_owner: int | None, state_owner: int = 0) -> Account:
    """Our own account, or for root: the owner of the data or of the state folder, else the first of `CANDIDATES`.

    Args:
        data_owner: User id that owns existing data; None before the first start.
        state_owner: User id that owns the state folder.

    Raises:
        CrmdError: the data belongs to somebody else, or root has no account to switch to.
    """
    ours = os.geteuid()
    if ours != 0:
        if data_owner not in {None, ours}:
            raise CrmdError(
                f"The database files belong to {_name_of(data_owner)}, but crmd runs as {_name_of(ours)}.",
                hint="Start crmd as the user that made them, or as root.",
            )
        return Account(ours, os.getegid(), _name_of(ours), is_ours=True)
    if data_owner or state_owner:
        return _switched(pwd.getpwuid(data_owner or state_owner))
    for name in CANDIDATES:
        try:
            return _switched(pwd.getpwnam(name))
        except KeyError:
            continue
    raise CrmdError(
        f"PostgreSQL does not run as root, and none of the users {', '.join(CANDIDATES)} exists.",
        hint="Make one (useradd --system crmd), or run crmd as an ordinary user.",
    )


def give_to_owner(descriptor: int, folder: Path) -> None:
    """Hand a file that root made to the owner of its folder, who must be able to open it when root is not there."""
    if os.geteuid() == 0:
        status = folder.stat()
        os.fchown(descriptor, status.st_uid, status.st_gid)


def blocked_folder(path: Path, account: Account) -> Path | None:
    """The first folder on the way to `path` that the account may not enter; None when it can reach it."""
    resolved = path.resolve()
    for folder in (*reversed(resolved.parents), resolved):
        status = folder.stat()
        shift = 6 if status.st_uid == account.uid else 3 if status.st_gid == account.gid else 0
        if not (status.st_mode >> shift) & 1:
            return folder
    return None


def _switched(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, is_ours=False)


def _name_of(uid: int | None) -> str:
    try:
        return "nobody known" if uid is None else f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user id {uid}"
