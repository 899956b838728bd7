"""Patroni nodes with etcd on this machine, from Debian's packages: all on 127.0.0.1, in one folder, without root."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from private_postgres import debian_programs

if TYPE_CHECKING:
    from crmd.embedded.account import Account

WAIT_SECONDS = 120.0
NEEDED = ("etcd", "patroni")
CONFIG = """
scope: crmd
name: {name}
etcd3: {{host: "127.0.0.1:{etcd}"}}
restapi: {{listen: "127.0.0.1:{rest}", connect_address: "127.0.0.1:{rest}"}}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    primary_start_timeout: 0
    maximum_lag_on_failover: 104857600
    synchronous_mode: {is_sync}
    postgresql:
      use_pg_rewind: true
      parameters: {{wal_log_hints: "on", fsync: "off", shared_buffers: 64MB, max_connections: 100,
        wal_keep_size: 256MB, synchronous_commit: "on"}}
  initdb: [{{encoding: UTF8}}, {{auth: trust}}, no-sync]
postgresql:
  listen: "127.0.0.1:{port}"
  connect_address: "127.0.0.1:{port}"
  data_dir: {folder}/{name}
  bin_dir: {programs}
  pgpass: {folder}/{name}.pgpass
  parameters: {{unix_socket_directories: "{folder}"}}
  pg_hba: ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
  authentication: {{superuser: {{username: postgres}}, replication: {{username: postgres}}}}
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
"""


def missing() -> str:
    """What is not installed; empty when all is there."""
    found = [name for name in NEEDED if shutil.which(name) is None]
    return ", ".join(found + ([] if debian_programs(15) is not None else ["postgresql-15"]))


@dataclass
class Node:
    """One Patroni with its PostgreSQL."""

    name: str
    port: int
    rest: int
    patroni: subprocess.Popen[bytes] | None = None

    def postmaster(self, folder: Path) -> int | None:
        """The process id of its PostgreSQL; None: it is down."""
        try:
            return int((folder / self.name / "postmaster.pid").read_text().split()[0])
        except (OSError, IndexError, ValueError):
            return None


@dataclass
class Cluster:
    """Two nodes and etcd."""

    folder: Path
    account: Account
    is_sync: bool
    nodes: list[Node] = field(default_factory=list)
    etcd: subprocess.Popen[bytes] | None = None
    etcd_port: int = 0

    @property
    def dsn(self) -> str:
        """One address for all nodes."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"postgresql://postgres@{hosts}/postgres"

    def start(self) -> None:
        """Start everything."""
        self.etcd_port, peer, *ports = free_ports(6)
        urls = f"http://127.0.0.1:{self.etcd_port}"
        self.etcd = self._run(
            "etcd", "--data-dir", str(self.folder / "etcd"), "--listen-client-urls", urls, "--advertise-client-urls",
            urls, "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls",
            f"http://127.0.0.1:{peer}", "--initial-cluster", f"default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync", log="etcd",
        )  # fmt: skip
        for number in range(2):
            node = Node(f"node{number}", ports[2 * number], ports[2 * number + 1])
            self.nodes.append(node)
            self.start_patroni(node)

    def start_patroni(self, node: Node) -> None:
        """Start the Patroni of a node, which starts its PostgreSQL."""
        path = self.folder / f"{node.name}.yml"
        words = {"etcd": self.etcd_port, "folder": self.folder, "programs": debian_programs(15)}
        is_sync = str(self.is_sync).lower()
        path.write_text(CONFIG.format(name=node.name, rest=node.rest, port=node.port, is_sync=is_sync, **words))
        node.patroni = self._run("patroni", str(path), log=node.name)

    def members(self) -> list[dict[str, Any]]:
        """What Patroni says of its nodes; empty when nobody answers."""
        for node in self.nodes:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{node.rest}/cluster", timeout=3) as answer:
                    found: list[dict[str, Any]] = json.load(answer)["members"]
            except (OSError, ValueError, KeyError):
                continue
            return found
        return []

    async def healthy(self, at_least: int = 1) -> Node:
        """Wait until a leader of such a timeline runs and the other follows it; answers the leader."""
        deadline = time.monotonic() + WAIT_SECONDS
        members: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            members = await anyio.to_thread.run_sync(self.members)
            leaders = [one for one in members if one["role"] == "leader" and one["state"] == "running"]
            well = [one for one in members if one["state"] in {"running", "streaming"}]
            lines = {one.get("timeline") for one in members}
            has_standby = not self.is_sync or any(one["role"] == "sync_standby" for one in members)
            is_whole = len(well) == len(self.nodes) == len(members) and len(lines) == 1 and has_standby
            if is_whole and leaders and leaders[0]["timeline"] >= at_least:
                return next(node for node in self.nodes if node.name == leaders[0]["name"])
            await anyio.sleep(0.2)
        raise AssertionError(f"the cluster did not become healthy: {members}, see {self.folder}")

    def timeline(self) -> int:
        """Of the leader; 0 when there is none."""
        return max((one.get("timeline", 0) for one in self.members() if one["role"] == "leader"), default=0)

    def switch_over(self, leader: Node) -> None:
        """Ask Patroni for an orderly change."""
        data = json.dumps({"leader": leader.name}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{leader.rest}/switchover", data, method="POST")
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310 - our own node

    def stop(self) -> None:
        """End everything that was started."""
        for node in self.nodes:
            if node.patroni is not None:
                node.patroni.kill()
            for process in family(node.postmaster(self.folder)):
                send(process, signal.SIGKILL)
        if self.etcd is not None:
            send(self.etcd.pid, signal.SIGCONT)
            self.etcd.kill()

    def _run(self, *command: str, log: str) -> subprocess.Popen[bytes]:
        groups: tuple[int, ...] | None = None if self.account.is_ours else ()
        with (self.folder / f"{log}.log").open("ab") as stream:
            return subprocess.Popen(
                command, cwd="/", stdout=stream, stderr=stream, user=self.account.uid, group=self.account.gid,
                extra_groups=groups, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.folder)},
            )  # fmt: skip


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def family(pid: int | None) -> list[int]:
    """A process and its children."""
    if pid is None:
        return []
    children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if path.read_text().rpartition(")")[2].split()[1] == str(pid):
                children.append(int(path.parent.name))
        except OSError:
            continue
    return [pid, *children]


def walsenders(pid: int | None) -> list[int]:
    """The processes of a PostgreSQL that send to standbys."""
    return [child for child in family(pid)[1:] if b"walsender" in Path(f"/proc/{child}/cmdline").read_bytes()]


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone by now."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
