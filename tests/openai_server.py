"""A real HTTP server on 127.0.0.1 that speaks the OpenAI protocol, well or as badly as a test wants."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTEXT = 2_048
TEXT = "the quick brown fox, who jumped over a lazy dog; then it rained.\nNobody was there to see why"
WORDS = re.findall(r"[^ ]+", TEXT)


def sentence(messages: list[dict]) -> list[str]:
    "The answer to `messages`, by word: one that depends on them, and on nothing else."
    at = sum(map(ord, json.dumps(messages))) % len(WORDS)
    return [(" " if n else "") + WORDS[(at + n * (1 + at % 3)) % len(WORDS)] for n in range(30)]


def count(messages: list[dict]) -> int:
    "Tokens of `messages`: words, and three for the template of each."
    return sum(3 + len(m["content"].split()) for m in messages)


def chunk(text=None, finish=None, **rest) -> dict:
    "An event that is well formed."
    delta = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None, **rest}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer(None)

    def do_POST(self):
        self.answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def answer(self, body):
        with self.server.lock:
            self.server.seen.append((self.path, body, dict(self.headers), time.monotonic()))
            self.server.active += 1
            self.server.most = max(self.server.most, self.server.active)
        try:
            self.server.routes.get(self.path, missing)(self, body)
        except (BrokenPipeError, ConnectionResetError):
            self.server.left.set()
        finally:
            with self.server.lock:
                self.server.active -= 1

    def json(self, told, status=200, kind="application/json", **headers):
        data = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(data)

    def begin(self, kind="text/event-stream"):
        "Headers of a stream in chunks."
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def piece(self, data: bytes | dict | str):
        "One chunk: bytes as they are, anything else as an event."
        if not isinstance(data, bytes):
            data = f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self):
        self.wfile.write(b"0\r\n\r\n")

    def drop(self):
        "Cut the line, as a process that is killed does."
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def gone(self, seconds: float) -> bool:
        "Wait until the client has closed the connection; whether it did."
        self.close_connection = True
        self.connection.settimeout(seconds)
        try:
            left = self.connection.recv(1) == b""
        except ConnectionResetError:
            left = True
        except TimeoutError:
            left = False
        if left:
            self.server.left.set()
        return left


def missing(handler, body):
    handler.json({"detail": "Not Found"}, 404)


def models(handler, body):
    handler.json(
        {"data": [{"id": "tiny", "owned_by": "vllm", "max_model_len": CONTEXT, "created": time.time()}]}
    )


def chat(handler, body):
    "What a server does that works: it speaks word by word, and keeps to `max_tokens` and `stop`."
    words = sentence(body["messages"])
    handler.begin()
    handler.piece(chunk(""))
    said, finish, n = "", "length", 0
    for n, word in enumerate(words[: body["max_tokens"]], 1):  # noqa: B007
        before, said = said, said + word
        ends = [said.index(s) for s in body.get("stop", []) if s in said]
        if ends:
            handler.piece(chunk(said[len(before) : min(ends)]))
            finish = "stop"
            break
        handler.piece(chunk(word))
    else:
        finish = "stop" if n == len(words) else "length"
    handler.piece(chunk(finish=finish))
    usage = {"prompt_tokens": count(body["messages"]), "completion_tokens": n}
    if body.get("stream_options", {}).get("include_usage"):
        handler.piece({"choices": [], "usage": usage})
    handler.piece("[DONE]")
    handler.end()


def tokenize(handler, body):
    "As vLLM does it."
    handler.json({"count": count(body["messages"]), "max_model_len": CONTEXT, "tokens": []})


class Server(ThreadingHTTPServer):
    "Starts on a free port, and stops at the end of `with`."

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, chat: Callable = chat, port: int = 0, host: str = "127.0.0.1", **routes: Callable):
        super().__init__((host, port), Handler)
        self.lock, self.seen, self.left = threading.Lock(), [], threading.Event()
        self.active = self.most = 0
        self.routes = {"/v1/chat/completions": chat, "/v1/models": models, "/tokenize": tokenize}
        self.routes["/version"] = lambda handler, body: handler.json({"version": "0.1"})
        self.routes |= {f"/{path}": route for path, route in routes.items()}
        self.url = f"http://{host}:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def asked(self, path: str = "/v1/chat/completions") -> list:
        "What came to `path`: (path, body, headers, time)."
        return [seen for seen in self.seen if seen[0] == path]

    def handle_error(self, request, client_address):
        pass

    def __exit__(self, *args):
        self.shutdown()
        super().__exit__(*args)
