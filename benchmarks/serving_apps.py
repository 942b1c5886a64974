"""The servers that `serving` compares, each in a process of its own."""

import logging
import sys
import tempfile
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response
from starlette.routing import Route

from liquid_ai.core import Answer, Document, Settings
from liquid_ai.pipeline import RAG
from liquid_ai.serving.app import layered, settle
from liquid_ai.serving.auth import Authenticator, KeyFile, add_key, new_key
from liquid_ai.serving.call import Keep
from liquid_ai.serving.kept import KeptResponses
from liquid_ai.serving.logs import RequestLog
from liquid_ai.serving.middleware import Authenticated, Limited, Logged
from liquid_ai.serving.options import ServerSettings
from liquid_ai.serving.problems import App
from liquid_ai.serving.schemas import AskRequest, answer_head, answer_json
from liquid_ai.serving.service import Service

from .cache import answer as usual_answer

CROWD = 100_000  # entries and clients of a server that has been at work for long


def stub(answer: Answer, index: str) -> FastAPI:
    "A route that checks its request and answers the same each time."
    api, body, head, event = (
        FastAPI(openapi_url=None),
        answer_json(answer),
        answer_head(answer),
        answer.event(),
    )

    @api.post("/ask/simple")
    async def ask(request: Request, asked: AskRequest) -> Response:
        if (call := request.scope.get("state", {}).get("call")) is not None:
            call.keep = Keep(head, time.time(), event, answer.trace_id, asked.question, index)
            call.event = event
        return Response(body, media_type="application/json")

    return api


def starlette(answer: Answer) -> Starlette:
    "The bare route, with nothing checked."
    body = answer_json(answer)

    async def ask(request: Request) -> Response:
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/ask/simple", ask, methods=["POST"])])


def stacked(answer: Answer) -> FastAPI:
    "The same route under three layers of `BaseHTTPMiddleware`, as the reference system has them."
    api, seen = stub(answer, ""), {}
    log = logging.getLogger("reference")
    log.addHandler(logging.FileHandler(Path(tempfile.mkdtemp()) / "reference.log"))
    log.setLevel("INFO")

    async def logged(request: Request, call_next) -> Response:
        start = time.time()
        response = await call_next(request)
        took = time.time() - start
        log.info(
            "%s %s %s %s %.4f",
            request.client.host,
            request.method,
            request.url.path,
            response.status_code,
            took,
        )
        response.headers["X-Response-Time"] = f"{took:.4f}"
        return response

    async def limited(request: Request, call_next) -> Response:
        now = time.time()
        times = seen[request.client.host] = [t for t in seen.get(request.client.host, []) if t > now - 0.01]
        times.append(now)
        response = await call_next(request)
        response.headers["X-RateLimit-Remaining"] = str(10**6 - len(times))
        return response

    async def cached(request: Request, call_next) -> Response:
        response = await call_next(request)
        body = b"".join([part async for part in response.body_iterator])
        return Response(body, response.status_code, dict(response.headers) | {"X-Cache": "MISS"})

    for layer in (cached, limited, logged):
        api.add_middleware(BaseHTTPMiddleware, dispatch=layer)
    return api


def whole(answer: Answer, crowd: int = 0, guards: bool = True) -> App:
    "The stubbed handler behind id, log, metrics, keys, limits, kept responses; bounds and guards, too."
    folder = Path(tempfile.mkdtemp())
    room = {"cache_entries": 2 * crowd, "cache_bytes": 10**9} if crowd else {}
    settings = Settings(limit_requests=1_000_000, limit_seconds=1, **room)
    rag = RAG.open(folder / "store", settings)
    rag.ingest(Document.of("Herons eat fish and frogs.", "heron"), progress=False)
    options = ServerSettings(log=str(folder / "requests.jsonl"))
    service = Service(rag, options, log=RequestLog(options.log))
    key, known = new_key("bench", scopes=["ask"])
    add_key(folder / "keys.json", known)
    Path(sys.argv[3]).write_text(key)
    version = service.version()
    service.responses.get("", version)
    keep = Keep(
        answer_head(answer), time.time(), answer.event(), answer.trace_id, answer.question, version[0]
    )
    for n in range(crowd):
        service.responses.put(("/ask/simple", b"", (), b"%d" % n), version, keep)
        rag.limiter.admit(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    inner, authenticator = stub(answer, version[0]), Authenticator(KeyFile(folder / "keys.json"))
    if guards:
        return layered(inner, service, authenticator)
    app = Limited(KeptResponses(inner, service.responses, service.version), rag.limiter)
    return Logged(Authenticated(app, authenticator, rag.limiter), rag.limiter, service.note)


def main(name: str, port: int) -> None:
    answer = usual_answer("What does the heron eat?")
    made = {"starlette": starlette, "fastapi": lambda a: stub(a, ""), "stacked": stacked, "whole": whole}
    made |= {"crowded": lambda a: whole(a, CROWD), "layers": lambda a: whole(a, guards=False)}
    app = made[name](answer)
    settle()
    how = {"loop": "uvloop", "http": "httptools", "access_log": False, "log_level": "warning"}
    uvicorn.run(app, port=port, proxy_headers=False, server_header=False, **how)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
