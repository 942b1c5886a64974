"""A synced store equals a fresh build, costs what has changed, and survives whatever is done to it."""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_store import Hashing

from liquid_ai.core import Document, InputError, Settings, StoreError
from liquid_ai.corpus import Corpus
from liquid_ai.indexing.backup import backup
from liquid_ai.indexing.database import FORMAT, writing
from liquid_ai.indexing.store import Store, open_snapshot
from liquid_ai.ingestion.ingest import ingest
from liquid_ai.ingestion.sync import sync, watch
from liquid_ai.migrate import migrate

QUIET = {"progress": False}
SMALL = Settings(chunk_tokens=24)


class Words(Hashing):
    "The same with words for its tokens."

    name, fingerprint, dimensions = "words", "w" * 16, 64

    def token_spans(self, texts):
        found = []
        for text in texts:
            spans, at = [], 0
            for word in text.split():
                at = text.index(word, at)
                spans.append((at, at + len(word)))
                at += len(word)
            found.append(np.array(spans, np.int64).reshape(-1, 2))
        return found


def picture(store):
    "Chunks, vectors, and what searches find, in order."
    snapshot = open_snapshot(store)
    chunks = snapshot.chunks(range(len(snapshot)))
    found = []
    for query in ("heron fish", "iron", "tide moon water") if len(snapshot) else ():
        scores, rows = snapshot.dense.search(Words().encode([query], "query"), 5)
        found.append(
            [(chunks[r].id, round(float(s), 5)) for s, r in zip(scores[0], rows[0], strict=True) if r >= 0]
        )
        rows, scores = snapshot.sparse.search(query, 5)
        found.append([(chunks[r].id, round(float(s), 4)) for r, s in zip(rows, scores, strict=True)])
    vectors = np.asarray(snapshot.vectors).tolist() if len(snapshot) else []
    snapshot.close()
    return [(c.id, c.text, c.start, c.end, c.headings, c.meta.get("path")) for c in chunks], vectors, found


PARAGRAPHS = [
    "Herons eat fish at the water.",
    "Iron rusts in water.",
    "The moon pulls the tide.",
    "Owls hunt mice.",
]
TEXT = st.lists(st.sampled_from(PARAGRAPHS), min_size=0, max_size=6).map("\n\n".join)
NAMES = st.sampled_from(["a.md", "b.md", "deep/c.md", "deep/d.txt", "e.html"])
EDIT = st.one_of(
    st.tuples(st.just("write"), NAMES, TEXT),
    st.tuples(st.just("delete"), NAMES, st.just("")),
    st.tuples(st.just("move"), NAMES, NAMES),
    st.tuples(st.just("break"), NAMES, st.just("")),
)


def apply(folder, edit):
    what, name, other = edit
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    if what == "write":
        path.write_text(other)
    elif what == "break":
        path.write_bytes(bytes(range(256)))
    elif path.exists() and what == "delete":
        path.unlink()
    elif path.exists():
        (folder / other).parent.mkdir(exist_ok=True)
        path.replace(folder / other)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(EDIT, min_size=1, max_size=4), min_size=1, max_size=4))
def test_after_any_edits_the_store_equals_a_fresh_build(tmp_path_factory, rounds):
    home = tmp_path_factory.mktemp("sync")
    folder = home / "docs"
    folder.mkdir()
    (folder / "always.md").write_text("# Always\n\nSomething is here.")
    store = Store(home / "store")
    for edits in rounds:
        for edit in edits:
            apply(folder, edit)
        report = sync(store, Words(), [folder], SMALL, **QUIET)
        assert len(report.rows) == sum(p.is_file() for p in folder.rglob("*"))
        generation, counting = store.generation, Words()
        again = sync(store, counting, [folder], SMALL, **QUIET)
        assert (store.generation, counting.seen, again.embedded, again.removed) == (generation, [], 0, ())
        told = [sorted((r.path, r.status, r.chunks) for r in x.rows) for x in (report, again)]
        assert told[0] == told[1]
        fresh = Store(home / f"fresh-{generation}-{time.time_ns()}")
        ingest(fresh, Words(), [folder], SMALL, **QUIET)
        assert picture(store) == picture(fresh)
        fresh.close()
    store.close()
    shutil.rmtree(home)


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in "abc":
        text = "\n\n".join(f"# Part {n}\n\n{name} part {n}: {PARAGRAPHS[n % 4]}" for n in range(30))
        (folder / f"{name}.md").write_text(text)
    return folder


def test_one_paragraph_costs_its_own_chunks(tmp_path, docs):
    store = Store(tmp_path / "store")
    first = sync(store, Words(), [docs], SMALL, **QUIET)
    assert first.embedded == store.counts()["chunks"] > 60
    before = {c.encoded for c in open_snapshot(store).chunks(range(store.counts()["chunks"]))}
    text = (docs / "b.md").read_text()
    (docs / "b.md").write_text(text.replace("b part 15: ", "b part 15, edited: "))
    counting = Words()
    report = sync(store, counting, [docs], SMALL, **QUIET)
    assert report.embedded == len(counting.seen) <= 2
    assert not before & set(counting.seen)
    assert [r.reason for r in report.rows].count("unchanged") == 2


def test_an_unchanged_folder_writes_nothing_and_asks_for_no_lock(tmp_path, docs):
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], SMALL, **QUIET)
    state = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in store.folder.rglob("*")}
    with writing(store.folder):  # another process writes
        state |= {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in store.folder.glob("lock*")}
        report = sync(store, Words(), [docs], SMALL, **QUIET)
        now = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in store.folder.rglob("*")}
    assert report.embedded == 0 and now == state


def test_ingest_takes_over_an_unchanged_file_too_and_removes_nothing(tmp_path, docs):
    store = Store(tmp_path / "store")
    ingest(store, Words(), [docs], SMALL, **QUIET)
    (docs / "a.md").unlink()
    report = ingest(store, Words(), [docs], SMALL, **QUIET)
    assert {r.reason for r in report.rows} == {"unchanged"} and store.counts()["documents"] == 3
    report = sync(store, Words(), [docs], SMALL, **QUIET)
    assert [Path(s).name for s in report.removed] == ["a.md"] and store.counts()["documents"] == 2


def test_what_was_not_in_the_folder_stays(tmp_path, docs):
    store, other = Store(tmp_path / "store"), tmp_path / "docs2"
    other.mkdir()
    (other / "x.md").write_text("Elsewhere.")
    ingest(store, Words(), [Document.of("Given by hand.", "by hand"), docs, other], SMALL, **QUIET)
    (docs / "a.md").unlink()
    sync(store, Words(), [docs], SMALL, **QUIET)
    sources = {Path(f["source"]).name for f in open_snapshot(store).facts.values()}
    assert sources == {"by hand", "b.md", "c.md", "x.md"}


def test_tenants_do_not_remove_each_others_files(tmp_path, docs):
    store, ours, theirs = Store(tmp_path / "store"), SMALL, replace(SMALL, tenant="acme")
    sync(store, Words(), [docs], ours, **QUIET)
    sync(store, Words(), [docs], theirs, **QUIET)
    assert store.counts()["documents"] == 6
    (docs / "a.md").unlink()
    assert len(sync(store, Words(), [docs], theirs, **QUIET).removed) == 1
    assert store.counts()["documents"] == 5
    assert len(sync(store, Words(), [docs], ours, **QUIET).removed) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_locked_file_keeps_what_is_known_of_it(tmp_path, docs):
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], SMALL, **QUIET)
    (docs / "a.md").chmod(0)
    report = sync(store, Words(), [docs], SMALL, **QUIET)
    assert report.removed == () and store.counts()["documents"] == 3
    assert [r.status for r in report.rows].count("failed") == 1


def test_a_file_that_becomes_a_link_out_of_the_folder_leaves(tmp_path, docs):
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], SMALL, **QUIET)
    (docs / "a.md").rename(tmp_path / "moved.md")
    (docs / "a.md").symlink_to(tmp_path / "moved.md")
    report = sync(store, Words(), [docs], SMALL, **QUIET)
    assert "link" in next(r.reason for r in report.rows if r.path.endswith("a.md"))
    assert [Path(s).name for s in report.removed] == ["a.md"] and store.counts()["documents"] == 2


def test_a_changed_limit_and_a_changed_cut_are_seen(tmp_path, docs):
    store = Store(tmp_path / "store")
    tight = replace(SMALL, max_document_chars=100)
    report = sync(store, Words(), [docs], tight, **QUIET)
    assert {r.status for r in report.rows} == {"failed"} and store.counts()["documents"] == 0
    assert store.generation == 0 and store.reports()
    assert {r.status for r in sync(store, Words(), [docs], SMALL, **QUIET).rows} == {"parsed"}
    before = store.counts()["chunks"]
    sync(store, Words(), [docs], replace(SMALL, chunk_tokens=64), **QUIET)
    assert store.counts()["chunks"] < before


def test_a_file_that_turns_bad_takes_its_text_along(tmp_path, docs):
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], SMALL, **QUIET)
    (docs / "a.md").write_bytes(bytes(range(256)))
    report = sync(store, Words(), [docs], SMALL, **QUIET)
    assert [Path(s).name for s in report.removed] == ["a.md"]
    assert sync(store, Words(), [docs], SMALL, **QUIET).removed == ()


def test_reports_are_kept(tmp_path, docs):
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], SMALL, **QUIET)
    (docs / "a.md").unlink()
    sync(store, Words(), [docs], SMALL, **QUIET)
    last, first = store.reports()
    assert (last["generation"], first["generation"]) == (2, 1)
    assert len(first["report"]["rows"]) == 3 and len(last["report"]["removed"]) == 1


def test_a_store_of_format_two_is_brought_up_to_date(tmp_path, docs):
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], SMALL, **QUIET)
    before = picture(store)
    store.close()
    with sqlite3.connect(tmp_path / "store" / "store.db") as db:
        db.executescript(
            "DROP TABLE files; DROP INDEX documents_source; ALTER TABLE documents DROP COLUMN signature;"
            "DELETE FROM meta WHERE key='asked';"
            "UPDATE meta SET value='2' WHERE key='format'"
        )
    store = Store(tmp_path / "store")
    assert store.meta("format") == str(FORMAT) and picture(store) == before
    counting = Words()
    report = sync(store, counting, [docs], SMALL, **QUIET)
    assert counting.seen == [] and {r.reason for r in report.rows} == {"unchanged"}
    assert picture(store) == before and store.generation == 1


def test_a_backup_is_one_generation_while_another_thread_writes(tmp_path, docs):
    store, stop = Store(tmp_path / "store"), threading.Event()
    sync(store, Words(), [docs], SMALL, **QUIET)

    def write():
        mine = Store(tmp_path / "store")
        for n in range(1000):
            if stop.is_set():
                break
            (docs / "a.md").write_text(f"Version {n} of a.")
            (docs / "b.md").write_text(f"Version {n} of b.")
            sync(mine, Words(), [docs], SMALL, **QUIET)
        mine.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(12):
            copy = Store(backup(store, tmp_path / f"copy-{n}"))
            texts = {c.text for c in open_snapshot(copy).chunks(range(copy.counts()["chunks"]))}
            versions = {t.split()[1] for t in texts if t.startswith("Version")}
            assert len(versions) <= 1
            copy.close()
    finally:
        stop.set()
        writer.join()
    assert not list(tmp_path.glob(".*.partial"))


KILLED = """
import os, sys
sys.path[:0] = [{root!r}, {tests!r}]
os.environ["OMP_NUM_THREADS"] = "1"
from test_sync import *
open_snapshot(Store({folder!r})).close()
for line in sys.stdin:  # a child for each line: forked, since importing everything takes longest
    child = os.fork()
    if not child:
        try:
            sync(Store({folder!r}), Words(), [{docs!r}], SMALL, progress=False)
        finally:
            os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("gone", flush=True)
"""


def test_a_sync_that_is_killed_anywhere_leaves_the_old_or_the_new_and_the_next_one_finishes(tmp_path, docs):
    folder, dice = tmp_path / "store", random.Random(8)
    store = Store(folder)
    sync(store, Words(), [docs], SMALL, **QUIET)
    code = KILLED.format(root=str(ROOT), tests=str(ROOT / "tests"), folder=str(folder), docs=str(docs))
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    began = finished = 0
    longest = 0.0
    try:
        for n in range(60):
            old = picture(store)
            for name in "abc":
                (docs / f"{name}.md").write_text(f"# Round {n}\n\n{name} {n}.\n\n" * dice.randrange(1, 40))
            fresh = Store(tmp_path / f"fresh-{n}")
            ingest(fresh, Words(), [docs], SMALL, **QUIET)
            new = picture(fresh)
            fresh.close()
            print(file=parent.stdin, flush=True)
            child, start = int(parent.stdout.readline()), time.monotonic()
            if n:  # the first one shows how long a sync takes here
                time.sleep(dice.uniform(0, longest))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            assert parent.stdout.readline() == "gone\n"
            longest = longest or 1.1 * (time.monotonic() - start)
            found = picture(Store(folder))
            assert found in (old, new)
            finished += found == new
            began += found == old
            sync(store, Words(), [docs], SMALL, **QUIET)
            assert picture(store) == new
            assert len(list(folder.glob("gen-*"))) == 1
    finally:
        parent.kill()
        parent.communicate()
    assert began > 5 and finished > 1  # kills fell before and after the commit


def test_a_full_disk_is_told_and_loses_nothing(tmp_path, docs):
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], SMALL, **QUIET)
    before = picture(store)
    (docs / "big.md").write_text(
        "\n\n".join(f"Paragraph {n} of many, all of them different." for n in range(20_000))
    )
    code = f"""
import resource, signal, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from test_sync import *
store = Store({str(tmp_path / "store")!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
try:
    sync(store, Words(), [{str(docs)!r}], SMALL, progress=False)
except StoreError as e:
    print(e)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "the last complete generation is untouched" in done.stdout
    assert picture(Store(tmp_path / "store")) == before
    sync(store, Words(), [docs], SMALL, **QUIET)
    assert store.counts()["documents"] == 4


def test_bad_folders_are_refused_and_nothing_is_lost(tmp_path, docs):
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], SMALL, **QUIET)
    empty = tmp_path / "empty"
    empty.mkdir()
    for folders, said in [([], "no folder"), ([tmp_path / "nowhere"], "not there"), ([empty], "no files in")]:
        with pytest.raises(InputError, match=said):
            sync(store, Words(), folders, SMALL, **QUIET)
    with writing(store.folder), pytest.raises(StoreError, match="being written by"):
        (docs / "new.md").write_text("New.")
        sync(store, Words(), [docs], SMALL, **QUIET)
    assert store.counts()["documents"] == 3


def test_watching_takes_over_what_changes(tmp_path, docs):
    store, stop, found = Store(tmp_path / "store"), threading.Event(), []

    def later():
        (docs / "d.md").write_text("# New\n\nThe moon pulls the tide.")

    for report in watch(lambda: sync(store, Words(), [docs], SMALL, **QUIET), [docs], stop, patience=0.1):
        found.append(len(report.rows))
        if len(found) == 1:
            threading.Timer(0.3, later).start()
        else:
            stop.set()
    assert found == [3, 4] and store.counts()["documents"] == 4


class Half(Words):
    "The same words in half the room."

    name, fingerprint, dimensions = "half", "f" * 16, 32


class Dying(Half):
    def __init__(self, after):
        super().__init__()
        self.after = after

    def encode(self, texts, kind="document", progress=False):
        if len(self.seen) + len(texts) > self.after:
            raise MemoryError("the machine goes down")
        return super().encode(texts, kind, progress)


def test_a_migration_that_died_goes_on_and_equals_a_fresh_build(tmp_path, docs, monkeypatch):
    from liquid_ai import migrate as module

    monkeypatch.setattr(module, "_BATCH", 1)
    store = Store(tmp_path / "store")
    for n in range(40):
        text = "\n\n".join(f"{n} {k} {PARAGRAPHS[k % 4]}" for k in range(90))
        (docs / f"{n}.md").write_text(text)
    sync(store, Words(), [docs], SMALL, **QUIET)
    before, total = picture(store), store.counts()["chunks"]
    assert total > 2_000
    with pytest.raises(MemoryError):
        migrate(store, Words(), Dying(total // 2), SMALL, ["heron"], **QUIET)
    assert picture(store) == before and store.meta("encoder_name") == "words"
    goes_on = Half()
    done = migrate(store, Words(), goes_on, SMALL, ["heron", "tide"], **QUIET)
    texts = [t for t in goes_on.seen if t not in ("heron", "tide")]
    assert done.live and 0 < len(texts) < total and 0 < done.overlap <= 1
    fresh = Store(tmp_path / "fresh")
    ingest(fresh, Half(), [docs], SMALL, **QUIET)
    assert chunks_of(store) == chunks_of(fresh)
    counting = Half()
    assert sync(store, counting, [docs], SMALL, **QUIET).embedded == 0
    back = Words()
    assert migrate(store, Half(), back, SMALL, **QUIET).live and back.seen == []
    assert picture(store) == before


def chunks_of(store):
    snapshot = open_snapshot(store)
    return [c.id for c in snapshot.chunks(range(len(snapshot)))], np.asarray(snapshot.vectors).tolist()


def test_a_refused_migration_changes_nothing(tmp_path, docs):
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], SMALL, **QUIET)
    before = picture(store)
    told = []
    done = migrate(store, Words(), Half(), SMALL, ["heron"], accept=lambda m: bool(told.append(m)), **QUIET)
    assert not done.live and told[0].queries == ("heron",) and picture(store) == before
    assert not (store.folder / "beside").exists()


def test_forgetting_leaves_no_byte(tmp_path):
    from liquid_ai.evaluation.feedback import FeedbackStore
    from liquid_ai.pipeline import RAG

    folder, docs, word = tmp_path / "store", tmp_path / "docs", b"quetzalcoatl"
    docs.mkdir()
    (docs / "people.md").write_text("# Quetzalcoatl\n\nQuetzalcoatl lives at 12 Feather Road.")
    (docs / "birds.md").write_text("# Birds\n\nHerons eat fish.")
    options = {"answer_cache": str(folder / "answers.db"), "vector_cache": str(folder / "vectors.db")}
    with RAG.open(folder, **options) as rag:
        rag.sync(docs, progress=False)
        rag.migrate("packaged", dimensions=192, progress=False)
        answer = rag.ask("Where does Quetzalcoatl live?")
        feedback = FeedbackStore(folder / "feedback.db")
        feedback.remember(answer, "ann", "", ())
        feedback.flush()
        feedback.add(answer.trace_id, "up", "ann", "")
        feedback.close()

        def held():
            return {p.name for p in folder.rglob("*") if p.is_file() and word in p.read_bytes().lower()}

        assert {"feedback.db", "answers.db"} <= {n.removesuffix("-wal") for n in held()} and len(held()) > 3
        assert rag.forget(str((docs / "people.md").resolve())) == 1
        assert held() == set()
        with pytest.raises(InputError, match="no document"):
            rag.forget("people")
        assert rag.ask("Where does Quetzalcoatl live?").abstained
        assert len(rag.search("What do herons eat?")) == 1


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(EDIT, min_size=1, max_size=4), min_size=1, max_size=4), st.booleans())
def test_copies_follow_from_what_is_there_and_not_from_how_it_came(tmp_path_factory, rounds, off):
    home, clean = tmp_path_factory.mktemp("copies"), replace(SMALL, duplicates=0.7)
    folder = home / "docs"
    folder.mkdir()
    (folder / "always.md").write_text("# Always\n\nSomething is here.")
    store = Store(home / "store")
    for n, edits in enumerate(rounds):
        for edit in edits:
            apply(folder, edit)
        wanted = SMALL if off and n == 1 else clean  # switched off, and on again
        report = sync(store, Words(), [folder], wanted, **QUIET)
        fresh = Store(home / f"fresh-{n}")
        told = ingest(fresh, Words(), [folder], wanted, **QUIET)
        assert picture(store) == picture(fresh)
        copies = {r.path for r in report.rows if "a copy of" in r.reason}
        assert copies == {r.path for r in told.rows if "a copy of" in r.reason}
        assert all(r.chunks == 0 for r in report.rows if r.path in copies)
        assert sync(store, Words(), [folder], wanted, **QUIET).embedded == 0
        assert store.counts() == fresh.counts()
        fresh.close()
    store.close()


def test_when_the_original_leaves_its_copy_takes_its_place(tmp_path, docs):
    text = " ".join(f"word{n}" for n in range(200))
    (docs / "original.md").write_text(text)
    (docs / "other.md").write_text(text + " and more")
    store, clean = Store(tmp_path / "store"), replace(SMALL, duplicates=0.8)
    report = sync(store, Words(), [docs], clean, **QUIET)
    [row] = [r for r in report.rows if "a copy of" in r.reason]
    assert row.path.endswith("other.md") and row.reason.endswith("original.md, and not searched")
    held = {Path(c.source).name for c in open_snapshot(store).chunks(range(store.counts()["chunks"]))}
    assert "original.md" in held and "other.md" not in held and store.counts()["documents"] == 5
    (docs / "original.md").unlink()
    sync(store, Words(), [docs], clean, **QUIET)
    held = {Path(c.source).name for c in open_snapshot(store).chunks(range(store.counts()["chunks"]))}
    assert "other.md" in held
    done = migrate(store, Words(), Half(), clean, **QUIET)
    assert done.live and store.counts()["documents"] == 4


def erasing(store, wanted=SMALL):
    class Mine(Corpus):
        encoder = Words()

    return Mine(store, wanted)


def test_a_link_hides_no_file_and_leaves_no_name_behind(tmp_path, docs):
    (other := tmp_path / "other").mkdir()
    (other / "x.md").write_text("Elsewhere.")
    (docs / "l.md").symlink_to(other / "x.md")  # found first
    (docs / "A.md").symlink_to(docs / "b.md")
    store, fresh = Store(tmp_path / "store"), Store(tmp_path / "fresh")
    sync(store, Words(), [docs, other], SMALL, **QUIET)
    assert store.counts()["documents"] == 4
    (docs / "A.md").unlink()
    sync(store, Words(), [docs, other], SMALL, **QUIET)
    ingest(fresh, Words(), [docs, other], SMALL, **QUIET)
    assert picture(store) == picture(fresh)


@pytest.mark.parametrize("others", [0, 70])  # more than are cut together
def test_a_document_given_under_the_source_of_a_file_does_not_outlive_a_sync(tmp_path, docs, others):
    store, fresh = Store(tmp_path / "store"), Store(tmp_path / "fresh")
    ingest(fresh, Words(), [docs], SMALL, **QUIET)
    by_hand = Document.of("By hand.", str((docs / "a.md").resolve()))
    sync(store, Words(), [docs], SMALL, **QUIET)
    ingest(store, Words(), [by_hand], SMALL, **QUIET)
    assert picture(store) != picture(fresh)
    sync(store, Words(), [docs], SMALL, **QUIET)
    assert picture(store) == picture(fresh)
    more = [Document.of(f"Text {n}.", f"text {n}") for n in range(others)]
    report = ingest(store, Words(), [by_hand, more, docs], SMALL, **QUIET)
    ingest(fresh, Words(), [more], SMALL, **QUIET)
    assert picture(store) == picture(fresh) and report.rows[0].reason.startswith("replaced")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_what_cannot_be_read_is_not_written_down_again_and_again(tmp_path, docs):
    os.mkfifo(docs / "pipe")
    (docs / "nowhere.md").symlink_to(docs / "gone.md")
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], SMALL, **QUIET)
    before = store._read("PRAGMA data_version"), len(store.reports())
    assert sync(store, Words(), [docs], SMALL, **QUIET).counts == {"failed": 1, "unsupported": 1, "parsed": 3}
    assert (store._read("PRAGMA data_version"), len(store.reports())) == before


def test_a_page_below_another_does_not_leave_with_it(tmp_path):
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self):
            page = f"<html><body><p>Page {self.path} of herons.</p></body></html>".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        top, wanted = f"http://127.0.0.1:{server.server_port}/docs", replace(SMALL, allow_private_urls=True)
        store = Store(tmp_path / "store")
        ingest(store, Words(), [f"{top}/page", Document.of("By hand.", f"{top}/hand")], wanted, **QUIET)
        assert ingest(store, Words(), [top], wanted, **QUIET).removed == ()
        reports = len(store.reports())
        assert sync(store, Words(), [top], wanted, **QUIET).removed == ()
        server.shutdown()
    assert store.counts()["documents"] == 3 and len(store.reports()) == reports


def test_a_copy_takes_its_place_though_copies_are_looked_for_no_more_and_names_no_one(tmp_path, docs):
    text = " ".join(f"word{n}" for n in range(200))
    (docs / "original.md").write_text(text)
    (docs / "other.md").write_text(text + " and more")
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], replace(SMALL, duplicates=0.8), **QUIET)
    source = str((docs / "original.md").resolve())
    erasing(store).forget(source)
    held = {Path(c.source).name for c in open_snapshot(store).chunks(range(store.counts()["chunks"]))}
    assert "other.md" in held
    assert not [p for p in store.folder.rglob("*") if p.is_file() and source.encode() in p.read_bytes()]
    assert any("a document that was erased" in r["reason"] for r in store.reports()[-1]["report"]["rows"])


def test_forgetting_reaches_a_migration_that_was_killed(tmp_path, docs, monkeypatch):
    from liquid_ai import migrate as module

    def killed(*_):
        raise KeyboardInterrupt

    (docs / "people.md").write_text("Quetzalcoatl lives here.")
    store = Store(tmp_path / "store")
    sync(store, Words(), [docs], SMALL, **QUIET)
    monkeypatch.setattr(module, "_ranked", killed)
    with pytest.raises(KeyboardInterrupt):
        migrate(store, Words(), Half(), SMALL, ["heron"], **QUIET)
    held = [p for p in store.folder.rglob("*") if p.is_file() and b"quetzalcoatl" in p.read_bytes().lower()]
    assert any("beside" in p.parts for p in held)
    erasing(store).forget(str((docs / "people.md").resolve()))
    assert not [p for p in held if p.exists() and b"quetzalcoatl" in p.read_bytes().lower()]


def test_a_backup_of_a_generation_that_is_half_swept_takes_the_next_one(tmp_path, docs, monkeypatch):
    store, copytree = Store(tmp_path / "store"), shutil.copytree
    sync(store, Words(), [docs], SMALL, **QUIET)

    def half(source, target):
        copied = copytree(source, target)
        if store.generation == 1:
            (Path(target) / "vectors.npy").unlink()  # gone before it was listed
            (docs / "a.md").write_text("Version 2.")
            sync(store, Words(), [docs], SMALL, **QUIET)
        return copied

    monkeypatch.setattr(
        "liquid_ai.indexing.backup.shutil", SimpleNamespace(**vars(shutil) | {"copytree": half})
    )
    copy = Store(backup(store, tmp_path / "copy"))
    assert copy.generation == 2 and picture(copy) == picture(store)


def test_reports_do_not_grow_for_ever(tmp_path, docs, monkeypatch):
    monkeypatch.setattr("liquid_ai.indexing.store._REPORTS", 3)
    store = Store(tmp_path / "store")
    for n in range(6):
        (docs / "a.md").write_text(f"Version {n}.")
        sync(store, Words(), [docs], SMALL, **QUIET)
    assert [r["generation"] for r in store.reports()] == [6, 5, 4]


def test_a_reader_holds_up_nothing_but_the_log_and_forgetting_can_be_ended_later(tmp_path, monkeypatch):
    from functools import partial

    from liquid_ai import corpus as module
    from liquid_ai.corpus import Corpus

    monkeypatch.setattr(module, "empty_log", partial(module.empty_log, seconds=0.1))
    (tmp_path / "people.md").write_text("Quetzalcoatl lives at 12 Feather Road.")
    (tmp_path / "birds.md").write_text("Herons eat fish.")
    with Corpus.open(tmp_path / "store") as corpus:
        corpus.ingest(tmp_path / "people.md", tmp_path / "birds.md", progress=False)
        reader = open_snapshot(Store(tmp_path / "store"))
        with pytest.raises(StoreError, match=r"forget\(\) again"):
            corpus.forget(str(tmp_path / "people.md"))
        assert corpus.store.counts()["documents"] == 1 and len(reader) == 2
        reader.close()
        assert corpus.forget() == 0
        files = [p for p in (tmp_path / "store").rglob("*") if p.is_file()]
        assert not [p for p in files if b"quetzalcoatl" in p.read_bytes().lower()]
