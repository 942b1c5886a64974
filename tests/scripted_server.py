"""A server on a real socket that does what a script says, and writes down what it was sent."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

Step = Callable[[socket.socket], bool]  # does something; whether the connection goes on


@dataclass
class Sent:
    "A request."

    verb: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def reply(status: int = 200, body: bytes | dict = b"{}", **headers: str) -> Step:
    "A whole response."
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))} | headers
    head = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
    whole = f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body

    def step(connection: socket.socket) -> bool:
        connection.sendall(whole)
        return True

    return step


def raw(*parts: bytes, pause: float = 0.0, reset: bool = False) -> Step:
    "Bytes as they are, a pause after each, then the end of the connection."

    def step(connection: socket.socket) -> bool:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return step


def hang(seconds: float) -> Step:
    return raw(b"", pause=seconds)


@dataclass
class Scripted:
    "The server; the last step is repeated."

    steps: Sequence[Step]
    sent: list[Sent] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> "Scripted":
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._left = list(self.steps)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while (sent := _read(connection)) is not None:
                    self.sent.append(sent)
                    step = self._left.pop(0) if len(self._left) > 1 else self._left[0]
                    if not step(connection):
                        return
            except OSError:
                return


def _read(connection: socket.socket) -> Sent | None:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    verb, target, _ = first.split(" ")
    parts = urlsplit(target)
    return Sent(verb, parts.path, dict(parse_qsl(parts.query)), headers, body)
