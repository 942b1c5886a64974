"""A network that splits: servers in a namespace, whose packets get lost without a word when it is said."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Apart(AbstractContextManager):
    "A place for servers, at `host`; skips the test where this machine allows no namespaces."

    def __init__(self, number: int = 7):
        self.name = f"liquid-{os.getpid() % 10_000}-{number}"
        self.near, self.host = f"10.213.{number}.1", f"10.213.{number}.2"
        self._out, self._in = f"lq{os.getpid() % 10_000}o{number}", f"lq{os.getpid() % 10_000}i{number}"
        if not shutil.which("ip"):
            pytest.skip("no program `ip`")
        try:
            _ip("netns", "add", self.name)
            _ip("link", "add", self._out, "type", "veth", "peer", "name", self._in, "netns", self.name)
            _ip("addr", "add", f"{self.near}/24", "dev", self._out)
            _ip("link", "set", self._out, "up")
            for words in (
                f"addr add {self.host}/24 dev {self._in}",
                f"link set {self._in} up",
                "link set lo up",
            ):
                _ip("-n", self.name, *words.split())
        except subprocess.CalledProcessError as e:
            self.__exit__()
            pytest.skip(f"no network namespaces here: {e.stderr.strip()}")

    def run(self, *command: str, **how: Any) -> subprocess.Popen:
        "Start a program inside."
        return subprocess.Popen(["ip", "netns", "exec", self.name, *command], **how)

    def made(self, make: Callable[[], Any]) -> Any:
        "What `make` returns in a thread that is inside: its sockets stay there."
        with ThreadPoolExecutor(1) as thread:  # which ends, and nothing else is inside
            return thread.submit(self._enter, make).result()

    def _enter(self, make: Callable[[], Any]) -> Any:
        with Path(f"/var/run/netns/{self.name}").open() as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")
        return make()

    def split(self) -> None:
        "From now on what is sent there arrives nowhere, and nobody is told (what comes from there does)."
        _ip(
            "neigh", "replace", self.host, "lladdr", "02:00:00:00:00:99", "dev", self._out, "nud", "permanent"
        )

    def heal(self) -> None:
        _ip("neigh", "del", self.host, "dev", self._out)

    def __exit__(self, *error: Any) -> None:
        subprocess.run(["ip", "link", "del", self._out], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)
