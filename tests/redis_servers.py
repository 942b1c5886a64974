"""Redis as it is run: one server, a master with its replica and sentinels, a cluster; all can be killed."""

import random
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import redis
from conftest import need


def until(true, seconds: float = 30.0, pause: float = 0.05):
    "What `true()` comes to be. Raises: `AssertionError` where it is nothing in time."
    end = time.monotonic() + seconds
    while True:
        with suppress(redis.RedisError, OSError):
            if found := true():
                return found
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(pause)


def free_port() -> int:
    "One whose neighbour 10,000 further is free too: a cluster's nodes talk there."
    while True:
        port = random.randint(10_000, 20_000)
        with suppress(OSError):
            for p in (port, port + 10_000):
                socket.create_server(("127.0.0.1", p)).close()
            return port


class Process:
    "One redis-server."

    def __init__(self, folder: Path, *options: str, port: int = 0, sentinel: bool = False, wait: bool = True):
        self.port, self.folder = port or free_port(), folder / str(port or id(self))
        self.folder.mkdir(parents=True)
        self.run = [need("redis-server")]
        if sentinel:  # it writes what it learns into its file
            (self.folder / "sentinel.conf").write_text("\n".join([f"port {self.port}", *options]))
            self.run += ["sentinel.conf", "--sentinel"]
        else:
            self.run += ["--port", str(self.port), "--save", "", "--appendonly", "no", *options]
        self.run += ["--bind", "127.0.0.1", "--logfile", "log"]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start(wait)

    def start(self, wait: bool = True) -> None:
        self.process = subprocess.Popen(self.run, cwd=self.folder, stdout=subprocess.DEVNULL)
        if wait:
            until(self.listens)

    def listens(self) -> bool:
        with socket.socket() as s:
            s.settimeout(0.5)
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def client(self, **options) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5, **options)

    def halt(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Many:
    "Processes that end together."

    processes: Sequence[Process]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for one in self.processes:
            with suppress(ProcessLookupError):
                one.kill()


class Sentinels(Many):
    "A master, a replica and three sentinels that see after half a second that a master is gone."

    def __init__(self, folder: Path, password: str = "", own: str = ""):
        login = ["--requirepass", password, "--masterauth", password] if password else []
        self.master = Process(folder, *login)
        follows = ["--replicaof", "127.0.0.1", str(self.master.port), "--repl-diskless-sync-delay", "0"]
        self.replica = Process(folder, *login, *follows)
        said = [f"sentinel monitor answers 127.0.0.1 {self.master.port} 2"]
        said += [
            f"sentinel {k} answers {v}"
            for k, v in {"down-after-milliseconds": 500, "failover-timeout": 3000}.items()
        ]
        said += [f"sentinel auth-pass answers {password}"] if password else []
        said += [f"requirepass {own}", f"sentinel sentinel-pass {own}"] if own else []
        self.sentinels = [Process(folder, *said, sentinel=True) for _ in range(3)]
        self.processes = [self.master, self.replica, *self.sentinels]
        self.password, self.own = password or None, own or None
        self.hosts = ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels)
        self.url = f"redis+sentinel://{self.hosts}/answers/0"
        until(self.ready)

    def ready(self) -> bool:
        "Whether every sentinel knows the replica and the other two, and the replica is up to date."
        for s in self.sentinels:
            with s.client(password=self.own, decode_responses=True) as client:
                told = client.sentinel_masters()["answers"]
                if (told["num-slaves"], told["num-other-sentinels"]) != (1, 2):
                    return False
        with self.replica.client(password=self.password) as client:
            return client.info("replication")["master_link_status"] == "up"


class Cluster(Many):
    "Three masters and three replicas that see after a second that one is gone."

    def __init__(self, folder: Path):
        options = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1000",
            "--repl-diskless-sync-delay",
            "0",
        ]
        options += ["--cluster-require-full-coverage", "no"]
        self.processes = [Process(folder, *options) for _ in range(6)]
        hosts = [f"127.0.0.1:{p.port}" for p in self.processes]
        make = [need("redis-cli"), "--cluster", "create", *hosts, "--cluster-replicas", "1", "--cluster-yes"]
        done = subprocess.run(make, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout[-2_000:] + done.stderr
        self.url = f"redis+cluster://{','.join(hosts[:3])}"
        until(self.ready)

    def ready(self) -> bool:
        "Whether all of them say that all slots are served, and every replica follows its master."
        for p in self.processes:
            with p.client() as client:
                told, link = client.cluster("info"), client.info("replication")
                if told["cluster_state"] != "ok" or int(told["cluster_known_nodes"]) != 6:
                    return False
                if link["role"] == "slave" and link["master_link_status"] != "up":
                    return False
                if link["role"] == "master" and link["connected_slaves"] < 1:
                    return False
        return True

    def of(self, port: int) -> Process:
        return next(p for p in self.processes if p.port == port)

    def replica_of(self, port: int) -> Process:
        for p in self.processes:
            with suppress(redis.RedisError), p.client() as client:
                told = client.info("replication")
                if told["role"] == "slave" and int(told["master_port"]) == port:
                    return p
        raise AssertionError(f"{port} has no replica")
