"""PgBouncer in transaction mode, before a server's socket or port."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from crmd.embedded.account import server_account

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_SECONDS = 30.0
SETTINGS = """
[databases]
* = {target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
logfile = {folder}/log
"""


def find_pooler() -> str | None:
    """Debian's pgbouncer; None where it is not installed."""
    return shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")


@contextlib.contextmanager
def pooling(program: str, dsn: str, size: int = 4) -> Iterator[str]:
    """The address of a database through a pooler that keeps so many sessions of it."""
    parts = urlsplit(dsn)
    words = {name: values[0] for name, values in parse_qs(parts.query).items()}
    target = f"host={words.get('host', parts.hostname)} port={words.get('port', parts.port or 5432)}"
    target += f" user={parts.username}" + (f" password={unquote(parts.password)}" if parts.password else "")
    account = server_account(None)
    with tempfile.TemporaryDirectory(prefix="crmd-pooler-") as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        path = Path(name) / "pgbouncer.ini"
        path.write_text(SETTINGS.format(target=target, port=port, size=size, folder=name))
        for each in (Path(name), path):
            os.chown(each, account.uid, account.gid)
        groups: tuple[int, ...] | None = None if account.is_ours else ()
        process = subprocess.Popen([program, "-q", str(path)], user=account.uid, group=account.gid, extra_groups=groups)
        try:
            _wait_for(port)
            yield f"postgresql://any@127.0.0.1:{port}{parts.path}"
        finally:
            process.kill()
            process.wait(WAIT_SECONDS)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < deadline, "pgbouncer does not listen"
        time.sleep(0.02)
