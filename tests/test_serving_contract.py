"""The server does what `/openapi.json` says: schemathesis on every operation, with and without keys."""

import json
import os
import re
import subprocess
import sys
import textwrap

import pytest
from served import DOCUMENTS, Local, Slow, keys, opened, running, served, service_in

HOOKS = textwrap.dedent("""
    import schemathesis


    @schemathesis.hook
    def filter_case(context, case):
        "An access list that leaves out who wrote it, or a text without a word: nobody can read that back."
        body = case.body if isinstance(case.body, dict) else {}
        documents = body.get("documents") if isinstance(body.get("documents"), list) else []
        documents = [d for d in documents if isinstance(d, dict)]
        listed = [d.get("access") for d in documents]
        texts = [d.get("text") for d in documents]
        hidden = any(isinstance(a, list) and a and all(isinstance(n, str) for n in a) for a in listed)
        empty = any(isinstance(t, str) and t and not any(map(str.isalnum, t)) for t in texts)
        return not hidden and not empty
""")

CONFIG = textwrap.dedent("""
    # 413: some of what is generated is too large, and is refused before it is read
    [checks]
    negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429]

    # conditions on fields that no document has, and names of adapters that are not there, fit the schema:
    # only the store can tell
    [[operations]]
    include-path-regex = "^/(ask|ask/simple|ask/stream|search)$"
    checks.positive_data_acceptance.expected-statuses = ["2xx", 404, 422]

    # a question that is empty but for spaces, a vector length that the encoder has not
    [[operations]]
    include-path-regex = "^/v1/"
    checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404]

    # any bytes are a part of a form: `false` and a file that holds the word are the same
    [[operations]]
    include-path = "/documents/files"
    checks.negative_data_rejection.expected-statuses = ["2xx", "4xx"]
    checks.positive_data_acceptance.expected-statuses = ["2xx", 400]
""")


def check(tmp_path, s, authorization: str = "", examples: int = 5, deterministic: bool = True) -> str:
    "Run schemathesis on a server, all phases and checks; what it says."
    (tmp_path / "hooks.py").write_text(HOOKS)
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"]
    command = [*program, f"{s.url}/openapi.json", "--checks", "all", "--continue-on-failure", "--no-color"]
    command += ["-n", str(examples), "--request-timeout", "30"]
    command += ["--generation-deterministic"] if deterministic else ["--generation-database", "none"]
    command += ["-H", f"Authorization: {authorization}"] if authorization else []
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "hooks"},
        capture_output=True,
        text=True,
        timeout=1_500,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    return told


@pytest.fixture
def server(tmp_path):
    "Starts one, open or closed, with a folder that it may read."
    stops = []

    def start(closed: bool):
        path, who = keys(tmp_path)
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "owls.txt").write_text("Owls hunt at night.")
        rag = opened(tmp_path / "store", Slow(), limit_requests=1_000_000, limit_seconds=1)
        options = {"keys": path} if closed else {}
        app = served(rag, folders=str(tmp_path / "folder"), body_bytes=10_000_000, **options)
        context = running(app)
        s = context.__enter__()
        stops.append(context)
        s.service, s.who = service_in(app), who
        return s

    yield start
    for context in stops:
        context.__exit__(None, None, None)


@pytest.mark.parametrize("closed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_server_does_what_it_documents(server, tmp_path, closed):
    s = server(closed)
    told = check(tmp_path, s, s.who["root"]["Authorization"] if closed else "")
    operations = len(paths_of(s))
    found = re.search(r"Selected: (\d+)/(\d+)\n\s+Tested: (\d+)", told)
    assert {int(n) for n in found.groups()} == {operations}, told
    assert s.http.get("/health/live").status_code == 200
    assert s.service.places.turns.busy == s.service.places.turns.waiting == 0


@pytest.mark.slow
@pytest.mark.parametrize("closed", [False, True])
def test_the_server_does_what_it_documents_at_length(server, tmp_path, closed):
    s = server(closed)
    check(tmp_path, s, s.who["root"]["Authorization"] if closed else "", 300, deterministic=False)
    assert s.http.get("/health/live").status_code == 200


def paths_of(s) -> list[tuple[str, str]]:
    found = s.http.get("/openapi.json", headers=s.who["root"]).json()["paths"]
    return [(method, path) for path, operations in found.items() for method in operations]


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    "What a closed and an open server say of themselves."
    folder, told = tmp_path_factory.mktemp("document"), []
    path, who = keys(folder)
    for name, options in (("closed", {"keys": path}), ("open", {})):
        rag = opened(folder / name, Slow(), DOCUMENTS)
        client = Local(served(rag, **options))
        told.append(client.get("/openapi.json", headers=who["root"]).json())
        client.close()
        rag.close()
    return told


METHODS = {"get", "post", "put", "delete"}


def test_every_operation_says_who_may_what_it_takes_and_how_it_fails(document):
    for told in document:
        for path, operations in told["paths"].items():
            for method, operation in operations.items():
                where = f"{method} {path}"
                assert method in METHODS and operation["summary"] and operation["description"], where
                answers = operation["responses"]
                public = path.startswith("/health/")
                assert ("401" in answers and "403" in answers) or public, where
                assert {"429", "500", "503"} <= set(answers) or public, where
                for status, answer in answers.items():
                    if status in ("429", "503") and "ready" not in path:
                        assert "Retry-After" in answer["headers"], (where, status)
                    if status >= "400" and not path.startswith("/v1/") and "ready" not in path:
                        assert set(answer["content"]) == {"application/problem+json"}, (where, status)
                if method in ("post", "put") and path != "/sync":
                    assert "requestBody" in operation and operation["requestBody"]["required"], where


def test_security_is_stated_for_each_operation(document):
    closed, open_ = document
    assert closed["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, operations in closed["paths"].items():
        for method, operation in operations.items():
            asked = operation.get("security", closed.get("security", []))
            assert (asked == []) == path.startswith("/health/"), (method, path, asked)
            assert {} not in asked, (method, path)
    for operations in open_["paths"].values():
        for operation in operations.values():
            asked = operation.get("security", open_.get("security", []))
            assert asked == [] or {} in asked


def test_metrics_are_described_as_they_are_sent(document, tmp_path):
    described = document[0]["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    assert list(described) == ["text/plain", "application/json"]  # the first is what clients expect
    rag = opened(tmp_path / "store", Slow(), DOCUMENTS)
    client = Local(served(rag))
    both = "application/json;q=0.5, text/plain"
    for accept, media in (
        (None, "text/plain"),
        ("*/*", "text/plain"),
        ("text/plain", "text/plain"),
        (both, "text/plain"),
        ("application/json, text/plain, */*", "text/plain"),
        ("application/json", "application/json"),
        ("Application/JSON, */*;q=0.1", "application/json"),
        ("text/plain;q=0.2, application/json", "application/json"),
        ("application/json;q=0", "text/plain"),
        ("application/json;q=x", "text/plain"),
    ):
        r = client.get("/metrics", headers={"Accept": accept} if accept else {})
        assert r.headers["content-type"].split(";")[0] == media, accept
        assert r.headers["vary"] == "Accept" and (media == "text/plain" or r.json())
    client.close()
    rag.close()


def test_every_example_is_accepted(document):
    told = json.dumps(document[0]["components"]["schemas"])
    assert told.count('"examples"') >= 8
    for name in ("AskRequest", "SearchRequest", "DocumentIn", "FeedbackRequest", "AdapterRequest"):
        assert document[0]["components"]["schemas"][name]["additionalProperties"] is False
