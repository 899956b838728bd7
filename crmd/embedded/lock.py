"""One daemon per state folder: a lock that the kernel frees when its holder dies."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crmd.embedded.account import give_to_owner
from crmd.errors import CrmdError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class AlreadyRunning(CrmdError):  # noqa: N818 - what is the case, not what went wrong
    """Another process runs the embedded server of this state folder."""

    default_exit_code = ExitCode.TRY_AGAIN


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock file, with our process id in it for the one who comes second.

    Raises:
        AlreadyRunning: another process holds it.
    """
    descriptor = _opened(file)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            raise AlreadyRunning(
                f"Another crmd (process {holder}) already runs its embedded database in {file.parent}.",
                hint="Stop that one, or give this one its own daemon.state_dir, or let both use one database.dsn.",
            ) from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _opened(file: Path) -> int:
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except PermissionError:
        raise CrmdError(
            f"The state folder {file.parent} is not ours to write (we are user id {os.geteuid()}).",
            hint="Run crmd as the folder's owner or as root, or set daemon.state_dir to another one.",
        ) from None
    give_to_owner(descriptor, file.parent)
    return descriptor
