"""Loads one plugin, then forks a process for each job that the daemon asks for.

It has read and imported everything once, so a job's process is there in milliseconds; it holds no connection, no thread
and no event loop, so each job begins with a clean process, which ends with the job.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys

import msgspec

from crmd.blueprint import unpacked
from crmd.child.job_process import rehearse
from crmd.child.loading import load
from crmd.child.nursery import Nursery
from crmd.engine.confinement import offer_to_the_kernel, tie_to
from crmd.errors import CrmdError


def main() -> None:
    """Serve the daemon that started this process until it closes its end, or ends."""
    with socket.socket(fileno=int(sys.argv[1])) as control:
        blueprint = unpacked(sys.stdin.buffer.read())
        tie_to(blueprint.daemon_pid)
        offer_to_the_kernel()
        with open(os.devnull) as nothing:  # noqa: PTH123 - a constant, and a descriptor is all that is wanted
            os.dup2(nothing.fileno(), 0)
        try:
            hosted = load(blueprint)
        except CrmdError as error:
            control.send(msgspec.json.encode({"broken": str(error)}))
            return
        asyncio.run(rehearse(blueprint, hosted))
        gc.collect()
        gc.freeze()  # the collector leaves alone what all children share, so that its pages stay shared
        control.send(msgspec.json.encode({"ready": os.getpid()}))
        Nursery(control, blueprint, hosted).serve()


if __name__ == "__main__":
    main()
