"""Where the embedded server keeps its things, all of it private.

```
state_dir/embedded.lock          one daemon at a time
state_dir/embedded.password      the database password, for the daemon's user only
state_dir/postgres/data          the cluster; owned by the server's account, as is the folder above it
state_dir/postgres/run           the socket, unless that path is too long for one
state_dir/embedded.log           what the server prints; bounded
```
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from crmd.embedded.account import Account, blocked_folder
from crmd.errors import CrmdError

SOCKET_PATH_MAX_BYTES = 107
"""Linux: sockaddr_un holds 108 bytes, the last of them NUL."""

SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True, slots=True)
class Folders:
    """The paths below one state folder."""

    state: Path
    runtime: Path | None = None

    @property
    def lock(self) -> Path:
        """Held by the daemon that runs."""
        return self.state / "embedded.lock"

    @property
    def password(self) -> Path:
        """Holds the database password."""
        return self.state / "embedded.password"

    @property
    def server(self) -> Path:
        """Belongs to the server's account."""
        return self.state / "postgres"

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.server / "data"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.state / "embedded.log"

    def socket(self) -> Path:
        """A folder whose socket path the kernel accepts: in the state folder, or a short name elsewhere."""
        preferred = self.server / "run"
        short = f"crmd-{hashlib.sha256(os.fsencode(self.state.resolve())).hexdigest()[:12]}"
        elsewhere = [place / short for place in (self.runtime, Path(tempfile.gettempdir())) if place is not None]
        for folder in (preferred, *elsewhere):
            if len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_MAX_BYTES:
                return folder
        raise CrmdError(
            f"No folder has a name short enough for the database's socket (tried {preferred}).",
            hint="Set daemon.state_dir to a shorter path.",
        )


def make_state_dir(state: Path, runtime: Path | None = None) -> Folders:
    """Make the state folder when it is not there; one that exists keeps its rights.

    For root it can be entered by others (but not listed), since the server runs under another account.
    """
    if state.is_dir():
        return Folders(state.resolve(), runtime)
    try:
        state.mkdir(parents=True)
    except OSError as error:
        raise CrmdError(
            f"The state folder {state} cannot be made: {error.strerror}.", hint="Set daemon.state_dir to another one."
        ) from None
    state.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return Folders(state.resolve(), runtime)


def make_server_dirs(folders: Folders, account: Account) -> Path:
    """The folders that belong to the server's account, and the one of its socket.

    Raises:
        CrmdError: the account cannot reach the state folder, or a stranger holds the socket folder's name.
    """
    blocked = blocked_folder(folders.state, account)
    if blocked is not None:
        raise CrmdError(
            f"The embedded PostgreSQL runs as user {account.name}, who may not enter {blocked}.",
            hint="Set daemon.state_dir to a folder such as /var/lib/crmd, or run crmd as an ordinary user.",
        )
    socket_dir = folders.socket()
    if not socket_dir.is_relative_to(folders.server):
        socket_dir.parent.mkdir(parents=True, exist_ok=True)
    for folder in (folders.server, socket_dir):
        _make_private(folder, account)
    return socket_dir


def _make_private(folder: Path, account: Account) -> None:
    """A folder of mode 0700 owned by the account; a folder that somebody else put there is refused."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid:
            raise CrmdError(
                f"{folder} exists and does not belong to user {account.name}.", hint="Remove it and start again."
            ) from None
    else:
        if not account.is_ours:
            os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    folder.chmod(0o700)
