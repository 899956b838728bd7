"""Becomes the server: switches the account, ties its life to the daemon's, then runs the program in this process.

Run as a script, with nothing imported but the standard library. The program setpriv could do most of it, but it calls
capset, which a hardened unit forbids, and it cannot see that the daemon died before the tie was made.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def main(arguments: list[str]) -> None:
    """Run `arguments`: user id, group id, process id of the daemon, then the command.

    The kernel sends SIGINT, a fast shutdown to PostgreSQL, when the daemon ends in whatever way. The tie is made after
    the switch of accounts, which would undo it.
    """
    uid, gid, daemon = map(int, arguments[:3])
    command = arguments[3:]
    if os.geteuid() != uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_NO_NEW_PRIVS, 1), (PR_SET_PDEATHSIG, int(signal.SIGINT))):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            sys.exit(f"prctl({option}) failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != daemon:
        sys.exit("the daemon ended meanwhile")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
