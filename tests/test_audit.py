"""The audit trail: every change of a byte is found, workers share one chain, a kill is mended in the open."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import ROOT
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from served import Local, Slow, keys, opened, served

from liquid_ai import Document
from liquid_ai.cli.app import main
from liquid_ai.core import InputError, Settings
from liquid_ai.serving.audit import AuditError, AuditTrail, audit_files, audit_head, verify
from liquid_ai.serving.audit_chain import canonical, seal

SECRET = "kept elsewhere"
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def trail_of(folder: Path, count: int = 8, secret: str = SECRET, **options) -> AuditTrail:
    trail = AuditTrail(folder / "audit", secret, **options)
    for i in range(count):
        trail.append("ask", f"document {i}", actor="ann", request_id=f"r-{i}", question=f"What is {i}?")
    return trail


@pytest.fixture(scope="module", params=["", SECRET], ids=["bare", "keyed"])
def written(request, tmp_path_factory):
    "Bytes of the files of a trail, its head and its secret; the files hold two or three records each."
    folder = tmp_path_factory.mktemp("audit")
    trail = trail_of(folder, 8, request.param, max_bytes=1_100)
    files = {f.name: f.read_bytes() for f in audit_files(trail.path)}
    assert len(files) > 2
    return files, trail.head(), request.param


def looked_at(folder: Path, files: dict[str, bytes], secret: str, head: str = ""):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return verify(folder / "audit", secret, head)


def test_an_untouched_trail_is_whole(written, tmp_path):
    files, head, secret = written
    report = looked_at(tmp_path / "t", files, secret, head)
    assert (report.ok, report.records, report.first, report.head) == (True, 8, 1, head)


def test_every_byte_counts(written, tmp_path):
    files, head, secret = written
    name = max(files)
    folder = tmp_path / "t"
    for i in range(len(files[name])):
        changed = bytearray(files[name])
        changed[i] ^= 1
        report = looked_at(folder, files | {name: bytes(changed)}, secret, head)
        assert not report.ok, i
        assert report.file == name and report.line == files[name][:i].count(b"\n") + 1, i


def tampered(data, files: dict[str, bytes]) -> dict[str, bytes]:
    "Files that were tampered with once or several times."
    files = dict(files)
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(files)))
        old = files[name]
        at, to = sorted(data.draw(st.tuples(*[st.integers(0, len(old))] * 2)))
        lines = old.splitlines(keepends=True)
        i, j = data.draw(st.tuples(*[st.integers(0, max(len(lines) - 1, 0))] * 2))
        how = data.draw(st.sampled_from(["bytes", "drop", "swap", "repeat", "cut", "file", "move"]))
        if how == "bytes":
            files[name] = old[:at] + data.draw(st.binary(max_size=5)) + old[to:]
        elif how == "cut":
            files[name] = old[:at]
        elif how == "file" and len(files) > 1:
            del files[name]
        elif how == "move":
            other = data.draw(st.sampled_from(sorted(files)))
            files[name], files[other] = files[other], files[name]
        elif lines and how == "drop":
            files[name] = b"".join(lines[:i] + lines[i + 1 :])
        elif lines and how == "swap":
            lines[i], lines[j] = lines[j], lines[i]
            files[name] = b"".join(lines)
        elif lines:
            files[name] = b"".join([*lines[:i], lines[j], *lines[i:]])
    return files


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_whatever_is_done_to_the_files_is_found(tmp_path_factory, written, data):
    files, head, secret = written
    changed = tampered(data, files)
    folder = tmp_path_factory.getbasetemp() / "tampered"
    if [changed[n] for n in sorted(changed) if changed[n]] == [files[n] for n in sorted(files)]:
        return  # the same bytes in the same order
    report = looked_at(folder, changed, secret, head)
    assert not report.ok and report.fault and report.detail


@pytest.mark.parametrize(
    ("fault", "change", "line"),
    [
        ("edited", lambda x: [*x[:2], x[2].replace(b"ann", b"bob"), *x[3:]], 3),
        ("edited", lambda x: [x[0].replace(b'":', b'": '), *x[1:]], 1),
        ("edited", lambda x: [*x[:4], b"\n", *x[4:]], 5),
        ("edited", lambda x: [*x[:4], b"[" * 100_000 + b"\n", *x[4:]], 5),
        ("removed", lambda x: x[:3] + x[4:], 4),
        ("removed", lambda x: x[1:], 1),
        ("inserted", lambda x: [*x[:3], x[1], *x[3:]], 4),
        ("reordered", lambda x: [*x[:3], x[4], x[3], *x[5:]], 4),
        ("truncated", lambda x: x[:-1], 0),
        ("truncated", lambda x: [], 0),
        ("torn", lambda x: [*x[:-1], x[-1][:-1]], 8),
    ],
)
def test_a_fault_is_named_at_its_first_line(tmp_path, fault, change, line):
    trail = trail_of(tmp_path)
    head = trail.head()
    trail.path.write_bytes(b"".join(change(trail.path.read_bytes().splitlines(keepends=True))))
    report = verify(trail.path, SECRET, head)
    assert (report.fault, report.line) == (fault, line)
    assert fault in str(report)


def forged(path: Path, secret: str, start: int = 0) -> None:
    "Rewrite the trail from record `start` on, the whole chain computed anew."
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    for i in range(start, len(records)):
        records[i] |= {"actor": "nobody"} | ({"previous": records[i - 1]["hash"]} if i else {})
        records[i] = seal(records[i], secret)
    path.write_bytes(b"".join(canonical(r) + b"\n" for r in records))


def test_a_chain_computed_anew_deceives_only_who_has_neither_secret_nor_head(tmp_path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "keyed").mkdir()
    bare, keyed = trail_of(tmp_path / "bare", secret=""), trail_of(tmp_path / "keyed")
    heads = bare.head(), keyed.head()
    for trail in (bare, keyed):
        forged(trail.path, "", 3)
    assert verify(bare.path).ok  # what the notebook warns of
    assert not verify(bare.path, head=heads[0]).ok
    assert (verify(keyed.path, SECRET).fault, verify(keyed.path, SECRET).line) == ("edited", 4)
    forged(keyed.path, "another secret")
    assert verify(keyed.path, SECRET).line == 1


def test_a_sealed_trail_cannot_be_looked_at_without_its_secret(tmp_path):
    trail = trail_of(tmp_path)
    assert "sealed with a secret" in verify(trail.path).detail
    assert "the secret is another" in verify(trail.path, "wrong").detail
    with pytest.raises(AuditError, match="another secret"):
        AuditTrail(trail.path, "wrong")


def test_an_earlier_head_is_still_good(tmp_path):
    trail = trail_of(tmp_path, 3)
    head = trail.head()
    trail_of(tmp_path, 3)
    assert verify(trail.path, SECRET, head).ok
    sequence, _, hash_ = head.partition(":")
    assert not verify(trail.path, SECRET, f"{sequence}:{hash_[::-1]}").ok
    assert verify(trail.path, SECRET, audit_head(tmp_path / "none")).ok
    for wrong in ("x", "1:abc", ":" + hash_, "-1:" + hash_):
        with pytest.raises(InputError, match="no head"):
            verify(trail.path, SECRET, wrong)
    with pytest.raises(InputError, match="no audit trail"):
        verify(tmp_path / "none")


@settings(deadline=None, max_examples=50)
@given(*[st.text(st.characters(exclude_categories=()), max_size=700)] * 3)
def test_any_text_can_be_recorded_and_no_question(tmp_path_factory, actor, object_, question):
    path = tmp_path_factory.mktemp("audit") / "audit"
    trail = AuditTrail(path, SECRET)
    trail.append("ask", object_, actor=actor, question=f"question: {question}")
    assert verify(path, SECRET, trail.head()).ok
    text = path.read_bytes().decode()
    assert "question: " not in text and len(text.splitlines()) == 1


def test_a_trail_names_what_is_its_own(tmp_path):
    for action in ("repair", "retire"):
        with pytest.raises(InputError, match="own"):
            trail_of(tmp_path, 0).append(action)


@pytest.mark.parametrize("torn", [b"{", b'{"action":"ask","actor":"ann"', b"x" * 5_000])
def test_a_torn_line_is_repaired_in_the_open(tmp_path, torn):
    path = trail_of(tmp_path, 3).path
    with path.open("ab") as f:
        f.write(torn)
    assert verify(path, SECRET).fault == "torn"
    trail_of(tmp_path, 2)
    report = verify(path, SECRET)
    assert (report.ok, report.records, report.repairs) == (True, 6, 1)
    [aside] = tmp_path.glob("audit.torn-*")
    assert aside.read_bytes() == torn
    assert aside.name in path.read_text()


def test_a_torn_line_is_repaired_before_its_file_is_closed(tmp_path):
    path = trail_of(tmp_path, 3, max_bytes=1_200).path
    with path.open("ab") as f:
        f.write(b'{"action')
    trail_of(tmp_path, 6, max_bytes=1_200)
    report = verify(path, SECRET)
    assert (report.ok, report.repairs, report.records) == (True, 1, 10)


def test_a_trail_that_was_changed_is_not_continued(tmp_path):
    path = trail_of(tmp_path, 3).path
    path.write_bytes(path.read_bytes().replace(b"document 2", b"document 9"))
    with pytest.raises(AuditError, match="was changed"):
        AuditTrail(path, SECRET)
    path.write_bytes(b"not json\n")
    with pytest.raises(AuditError, match="does not end in a record"):
        AuditTrail(path, SECRET)


def test_old_files_go_in_the_open(tmp_path):
    trail = trail_of(tmp_path, 30, max_bytes=1_100, keep=3)
    files = audit_files(trail.path)
    report = verify(trail.path, SECRET, trail.head())
    assert len(files) == 4 and report.ok and report.first > 1
    files[0].unlink()
    report = verify(trail.path, SECRET, trail.head())
    assert (report.fault, report.file, report.line) == ("removed", files[1].name, 1)


MANY = """
import sys
from liquid_ai.serving.audit import AuditTrail
trail = AuditTrail(sys.argv[1], "kept elsewhere", max_bytes=5_000)
for i in range(int(sys.argv[3])):
    trail.append("ask", str(i), actor=sys.argv[2])
"""


def worker(path: Path, name: str, count: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", MANY, str(path), name, str(count)], cwd=ROOT)


def test_workers_share_a_chain_and_one_that_is_killed_breaks_nothing(tmp_path):
    path = tmp_path / "audit"
    workers, victim = [worker(path, f"w{n}", 40) for n in range(3)], worker(path, "victim", 10**6)
    until = time.monotonic() + 30
    while b"victim" not in b"".join(f.read_bytes() for f in audit_files(path)) and time.monotonic() < until:
        time.sleep(0.01)
    victim.kill()
    victim.wait()
    assert [w.wait(60) for w in workers] == [0, 0, 0]
    trail_of(tmp_path, 1)  # whatever the victim left is repaired
    report = verify(path, SECRET, audit_head(path))
    assert report.ok, report
    records = [json.loads(x) for f in audit_files(path) for x in f.read_bytes().splitlines()]
    for n in range(3):
        assert [r["object"] for r in records if r["actor"] == f"w{n}"] == [str(i) for i in range(40)]


def test_threads_share_a_trail(tmp_path):
    trail = AuditTrail(tmp_path / "audit")
    threads = [threading.Thread(target=lambda: [trail.append("ask") for _ in range(10)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert verify(trail.path).records == 40 and verify(trail.path).ok


FULL = """
import resource, signal, sys
from pathlib import Path
from liquid_ai.serving.audit import AuditError, AuditTrail, verify
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
trail, path = AuditTrail(sys.argv[1]), Path(sys.argv[1])
trail.append("one")
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, resource.RLIM_INFINITY))
try:
    trail.append("two")
except AuditError as e:
    print(e)
assert path.stat().st_size == size
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert trail.append("three") == 2
assert verify(path).ok and verify(path).records == 2
"""


@POSIX
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path / "audit"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "nothing was recorded" in run.stdout


def test_a_lock_that_is_never_let_go_is_an_error(tmp_path):
    trail = trail_of(tmp_path, 1, patience=0.05)
    code = "import sys, time; from filelock import FileLock\n"
    code += "with FileLock(sys.argv[1]):\n    print('held', flush=True); time.sleep(60)"
    held = subprocess.Popen([sys.executable, "-c", code, f"{trail.path}.lock"], stdout=subprocess.PIPE)
    try:
        assert held.stdout.readline() == b"held\n"
        with pytest.raises(AuditError, match="locked"):
            trail.append("ask")
    finally:
        held.kill()
        held.communicate()
    assert trail.append("ask") == 2


def test_a_trail_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(InputError, match="max_bytes=0"):
        AuditTrail(tmp_path / "audit", max_bytes=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        AuditTrail(tmp_path / "file" / "audit")


def test_the_command_looks_with_the_secret_of_the_environment(tmp_path, monkeypatch, capsys):
    trail = trail_of(tmp_path, 3)
    before = Settings.load()
    monkeypatch.setenv("LIQUID_AI_AUDIT_SECRET", SECRET)
    assert Settings.load() == before  # the secret is no field of the settings
    assert main(["audit", "head", str(trail.path)]) == 0
    head = capsys.readouterr().out.strip()
    assert head == trail.head()
    assert main(["audit", "verify", str(trail.path), "--head", head, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    trail.path.write_bytes(trail.path.read_bytes().replace(b"ann", b"bob", 1))
    assert main(["audit", "verify", str(trail.path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["fault"], told["line"]) == (False, "edited", 1)
    assert SECRET not in str(told)
    assert main(["audit", "verify", str(tmp_path / "none")]) == 2
    assert main(["audit", "verify", str(trail.path), "--head", "x"]) == 2


def actions(path) -> list[tuple[str, str, str, str]]:
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [(r["actor"], r["action"], r["object"], r["outcome"]) for r in records]


def test_refused_changes_are_on_the_record(tmp_path):
    path, who = keys(tmp_path)
    rag, trail = opened(tmp_path / "store", Slow()), tmp_path / "audit.jsonl"
    client = Local(served(rag, keys=path, audit=str(trail)))
    house = Document.of("", "herons.txt").id
    post = {"documents": [{"text": "Owls.", "source": "owls", "access": ["evil/sales"]}]}
    calls = [
        ("DELETE", f"/documents/{house}", "ann", {}, 403, "remove document", house),
        ("DELETE", "/documents/nosuch", "ann", {}, 404, "remove document", "nosuch"),
        ("DELETE", f"/documents/{house}", "bob", {}, 403, "remove document", house),  # who may not write
        ("POST", "/documents", "ann", {"json": post}, 422, "add document", "/documents"),
        ("POST", "/documents", "ann", {"json": {"documents": 1}}, 422, "add document", "/documents"),
        ("POST", "/documents", "bob", {"json": post}, 403, "add document", "/documents"),
        ("POST", "/sync", "ann", {}, 403, "sync", "/sync"),
        ("PUT", "/adapter", "root", {"json": {"name": "nosuch"}}, 404, "adapter", "/adapter"),
        (
            "POST",
            "/feedback",
            "ann",
            {"json": {"trace_id": "0" * 16, "rating": 1}},
            404,
            "feedback",
            "/feedback",
        ),
    ]
    for method, url, name, more, status, action, object in calls:
        r = client.request(method, url, headers=who[name], **more)
        assert r.status_code == status, r.text
        found = actions(trail)[-1]
        assert found[1:] == (action, object, f"refused ({status})") and name in found[0]
    assert len(actions(trail)) == len(calls)  # each once
    for method, url, name in [
        ("GET", "/documents/nosuch", "ann"),
        ("DELETE", f"/documents/{house}", "nobody"),
        ("GET", "/adapter", "ann"),
    ]:
        assert client.request(method, url, headers=who.get(name, {})).status_code in (401, 403, 404)
    assert len(actions(trail)) == len(calls)  # reading changes nothing; who is not known has no name
    assert client.delete(f"/documents/{house}", headers=who["root"]).status_code == 204
    assert actions(trail)[-1][1:] == ("remove document", house, "ok") and verify(trail).ok
    client.close()
    rag.close()


def test_a_conflict_is_on_the_record(tmp_path, monkeypatch):
    rag, trail = opened(tmp_path / "store", Slow()), tmp_path / "audit.jsonl"
    client = Local(served(rag, audit=str(trail)))
    monkeypatch.setattr("liquid_ai.serving.managing._PATIENCE", 0.2)
    with FileLock(rag.store.folder / "lock"):  # another process writes
        r = client.post("/documents", json={"documents": [{"text": "Owls.", "source": "owls"}]})
    assert r.status_code == 409, r.text
    assert actions(trail)[-1][1:] == ("add document", "/documents", "refused (409)")
    client.close()
    rag.close()


@pytest.mark.parametrize("by", ["option", "environment"])
def test_keys_made_and_revoked_at_the_command_line_are_on_the_record(tmp_path, monkeypatch, capsys, by):
    file, trail = str(tmp_path / "keys.json"), tmp_path / "audit.jsonl"
    named = ["--audit", str(trail)] if by == "option" else []
    if not named:
        monkeypatch.setenv("LIQUID_AI_SERVE_AUDIT", str(trail))
    monkeypatch.setenv("LIQUID_AI_AUDIT_SECRET", SECRET)
    assert main(["keys", "new", "website", "--tenant", "acme", "--file", file, "--json", *named]) == 0
    made = json.loads(capsys.readouterr().out)
    assert main(["keys", "revoke", made["id"], "--file", file, *named]) == 0
    told = actions(trail)
    assert [t[1:] for t in told] == [
        (a, f"{made['id']} acme/website", "ok") for a in ("new key", "revoke key")
    ]
    assert all(t[0].endswith(" at a command line") for t in told) and verify(trail, SECRET).ok
    assert made["key"] not in trail.read_text("utf-8")
    trail.write_text("{}\n")  # a trail that is damaged: no key is made that nobody would know of
    assert main(["keys", "new", "other", "--file", file, *named]) != 0
    assert made["id"] in Path(file).read_text("utf-8") and "other" not in Path(file).read_text("utf-8")
