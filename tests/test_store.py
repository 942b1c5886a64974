"""The store under edits, kills, damage, and several readers and writers."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import Document, ModelError, Settings, StoreError, chunk_document, digest, file_sha256
from liquid_ai.indexing.database import FORMAT, writing
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.indexing.store import Store, check_encoder, commit, open_snapshot, rebuild
from liquid_ai.ingestion.chunk import split


class Hashing:
    "An encoder of hashed words: fast, deterministic, and it counts what it is given."

    name, fingerprint, dimensions, max_tokens = "hashing", "h" * 16, 32, 256

    def __init__(self):
        self.seen = []

    def encode(self, texts, kind="document", progress=False):
        self.seen += texts
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in text.split() or ["-"]:
                row[sum(word.encode()) % self.dimensions] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cut(document):
    "One chunk a paragraph."
    spans, at = [], 0
    for part in document.text.split("\n\n"):
        spans.append((at, at + len(part), ()))
        at += len(part) + 2
    return document, chunk_document(document, spans)


def documents(texts):
    return [Document.of(text, f"file-{name}") for name, text in texts.items()]


def picture(store):
    "Everything a search depends on."
    snapshot = open_snapshot(store)
    if not len(snapshot):
        return ()
    chunks = snapshot.chunks(range(len(snapshot)))
    scores = snapshot.sparse.scores("alpha beta gamma")
    snapshot.close()
    return [c.id for c in chunks], [c.text for c in chunks], snapshot.vectors.tolist(), scores.tolist()


WORD = st.sampled_from(["alpha", "beta", "gamma", "delta", "ἄλφα", "日本"])
PARAGRAPH = st.lists(WORD, min_size=1, max_size=6).map(" ".join)
TEXT = st.lists(PARAGRAPH, min_size=1, max_size=4).map("\n\n".join)
EDITS = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.none() | TEXT, min_size=1), min_size=1, max_size=5
)


@settings(max_examples=40, deadline=None)
@given(EDITS)
def test_any_sequence_of_edits_equals_a_fresh_build(tmp_path_factory, edits):
    folder, now = tmp_path_factory.mktemp("store"), {}
    store = Store(folder / "edited")
    for edit in edits:
        new = {k: v for k, v in edit.items() if v is not None}
        gone = [Document.of("", f"file-{k}").id for k, v in edit.items() if v is None]
        commit(store, map(cut, documents(new)), Hashing(), gone)
        now = {k: v for k, v in (now | new).items() if k not in edit or edit[k] is not None}
    fresh = Store(folder / "fresh")
    commit(fresh, map(cut, documents(now)), Hashing())
    assert picture(store) == picture(fresh)


def test_only_changed_paragraphs_are_embedded(tmp_path):
    store, encoder = Store(tmp_path / "s"), Hashing()
    commit(store, map(cut, documents({"a": "one\n\ntwo\n\nthree", "b": "four"})), encoder)
    encoder.seen.clear()
    commit(store, map(cut, documents({"a": "one\n\n2\n\nthree"})), encoder)
    assert encoder.seen == ["2"]


WRITER = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from test_store import Hashing, Store, commit, cut, documents
store = Store({folder!r})
print("ready", flush=True)
for n in range(10_000):
    commit(store, map(cut, documents({{k: f"alpha {{n}}\\n\\nbeta {{k}}" for k in "abcdefgh"}})), Hashing())
"""


def test_a_killed_writer_leaves_a_whole_generation(tmp_path):
    folder, dice = tmp_path / "s", random.Random(0)
    commit(Store(folder), map(cut, documents({"a": "alpha"})), Hashing())
    code = WRITER.format(root=str(ROOT), tests=str(ROOT / "tests"), folder=str(folder))
    for _ in range(12):
        writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(dice.uniform(0.0, 0.12))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        store = Store(folder)
        ids, texts, vectors, _ = picture(store)  # checks every file against the manifest
        assert np.allclose(Hashing().encode(texts), vectors) and len(set(ids)) == len(ids)
        commit(
            store, map(cut, documents({"z": f"after {time.time()}"})), Hashing()
        )  # and it can be written again
        assert len(list(folder.glob("gen-*"))) == 1


def test_readers_see_whole_generations_while_a_writer_works(tmp_path):
    store, stop, wrong = Store(tmp_path / "s"), threading.Event(), []
    commit(store, map(cut, documents(dict.fromkeys("abcd", "version 0"))), Hashing())

    def read():
        try:
            mine = Store(tmp_path / "s")
            while not stop.is_set():
                snapshot = open_snapshot(mine)
                versions = {c.text for c in snapshot.chunks(range(len(snapshot)))}
                assert len(versions) == 1 and len(snapshot.dense) == len(snapshot) == 4
                snapshot.close()
        except BaseException as e:
            wrong.append(e)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for r in readers:
        r.start()
    for n in range(1, 25):
        commit(store, map(cut, documents(dict.fromkeys("abcd", f"version {n}"))), Hashing())
    stop.set()
    for r in readers:
        r.join()
    assert not wrong


def test_a_second_writer_is_told_who_is_at_work(tmp_path):
    store = Store(tmp_path / "s")
    with writing(store.folder), pytest.raises(StoreError, match=f"being written by process {os.getpid()}"):
        commit(store, map(cut, documents({"a": "alpha"})), Hashing())
    assert store.generation == 0


@pytest.mark.parametrize("name", ["vectors.npy", "bm25/words.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "remove"])
def test_damage_is_found_and_healed(tmp_path, name, damage):
    store = Store(tmp_path / "s")
    commit(store, map(cut, documents({"a": "alpha\n\nbeta"})), Hashing())
    before, path = picture(store), store.folder / "gen-000001" / name
    data = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(data[:-3] if damage == "cut" else data[:-3] + bytes([data[-3] ^ 255]) + data[-2:])
    with pytest.raises(StoreError, match="--repair"):
        open_snapshot(store)
    assert store.counts()["chunks"] == 2
    rebuild(store, Hashing())
    assert picture(store) == before


def test_what_is_not_a_store_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not a store"):
        Store(tmp_path)
    with pytest.raises(StoreError, match="no store at"):
        Store(tmp_path / "nowhere", create=False)
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "store.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="store.db"):
        Store(tmp_path / "db")
    store = Store(tmp_path / "newer")
    with sqlite3.connect(tmp_path / "newer" / "store.db") as db:
        db.execute("UPDATE meta SET value='99' WHERE key='format'")
    with pytest.raises(StoreError, match="upgrade liquid_ai"):
        Store(tmp_path / "newer")
    store.close()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_another_encoder_is_refused(tmp_path):
    store, other = Store(tmp_path / "s"), Hashing()
    commit(store, map(cut, documents({"a": "alpha"})), Hashing())
    other.name, other.fingerprint = "other", "o" * 16
    for call in (
        lambda: check_encoder(store, other),
        lambda: commit(store, [], other, ["x"]),
        lambda: rebuild(store, other),
    ):
        with pytest.raises(StoreError, match="made with the encoder hashing"):
            call()
    assert store.generation == 1


def test_a_full_disk_loses_nothing(tmp_path):
    store = Store(tmp_path / "s")
    commit(store, map(cut, documents({"a": "alpha"})), Hashing())
    before = picture(store)
    code = f"""
import resource, signal, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from test_store import *
store = Store({str(tmp_path / "s")!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    texts = {{str(n): "alpha beta " * 50 + str(n) for n in range(3000)}}
    commit(store, map(cut, documents(texts)), Hashing())
except StoreError as e:
    print(e)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "the last complete generation is untouched" in done.stdout
    assert picture(Store(tmp_path / "s")) == before


def test_reports_are_kept_and_nothing_is_pickled(tmp_path):
    store = Store(tmp_path / "s")
    commit(store, map(cut, documents({"a": "alpha"})), Hashing(), report=lambda: {"files": 1})
    with sqlite3.connect(store.folder / "store.db") as db:
        assert [json.loads(r[0]) for r in db.execute("SELECT report FROM reports")] == [{"files": 1}]
    heads = {p.name: p.read_bytes()[:2] for p in store.folder.rglob("*") if p.is_file()}
    assert not [
        name for name, head in heads.items() if head[:1] == b"\x80" or name.endswith((".pkl", ".pickle"))
    ]


OLD_TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents(
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version TEXT NOT NULL, cutter TEXT NOT NULL,
    text TEXT NOT NULL, title TEXT NOT NULL, source TEXT NOT NULL, mime TEXT NOT NULL,
    pages TEXT NOT NULL, meta TEXT NOT NULL);
CREATE TABLE chunks(
    row INTEGER PRIMARY KEY, document INTEGER NOT NULL REFERENCES documents(row) ON DELETE CASCADE,
    id TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, headings TEXT NOT NULL, page INTEGER,
    text TEXT NOT NULL, vector TEXT NOT NULL);
CREATE INDEX chunks_document ON chunks(document, start);
CREATE TABLE reports(generation INTEGER NOT NULL, made TEXT NOT NULL, report TEXT NOT NULL);
"""


def old_store(folder, texts):
    "A store as format 1 had it: other tables, and a segment of vectors and bm25s's files."
    import bm25s

    segment = folder / "gen-000001"
    (segment / "bm25").mkdir(parents=True)
    db = sqlite3.connect(folder / "store.db")
    db.execute("PRAGMA journal_mode=WAL")
    db.executescript(OLD_TABLES)
    facts = {"format": 1, "generation": 1, "encoder": Hashing.fingerprint, "encoder_name": Hashing.name}
    db.executemany("INSERT INTO meta VALUES (?, ?)", [(k, str(v)) for k, v in facts.items()])
    pairs = [cut(d) for d in sorted(documents(texts), key=lambda d: d.id)]
    for d, chunks in pairs:
        row = db.execute(
            "INSERT INTO documents VALUES (NULL,?,?,?,?,?,?,?,?,?)",
            (d.id, d.version, "", d.text, d.title, d.source, d.mime, "[]", "{}"),
        ).lastrowid
        for c in chunks:
            values = (row, c.id, c.start, c.end, "[]", None, c.text, digest(c.text))
            db.execute("INSERT INTO chunks VALUES (NULL,?,?,?,?,?,?,?,?)", values)
    db.commit()
    db.close()
    flat = [c.text for _, chunks in pairs for c in chunks]
    np.save(segment / "vectors.npy", Hashing().encode(flat))
    model = bm25s.BM25()
    model.index([t.split() for t in flat], show_progress=False)
    model.save(segment / "bm25", show_progress=False)
    (segment / "bm25" / "words.json").write_text(json.dumps({"language": "none", "k1": 1.5, "b": 0.75}))
    files = {p.relative_to(segment).as_posix(): file_sha256(p) for p in segment.rglob("*") if p.is_file()}
    manifest = {"rows": len(flat), "encoder": Hashing.fingerprint, "dimensions": 32, "files": files}
    (segment / "manifest.json").write_text(json.dumps(manifest))
    return flat


def test_a_store_of_format_one_is_brought_up_to_date(tmp_path):
    texts = {"a": "alpha\n\nbeta", "b": "gamma"}
    flat = old_store(tmp_path / "old", texts)
    store = Store(tmp_path / "old")
    assert store.meta("format") == str(FORMAT) and store.generation == 2
    snapshot = open_snapshot(store)
    assert [c.text for c in snapshot.chunks(range(len(snapshot)))] == flat
    assert (np.asarray(snapshot.vectors) == Hashing().encode(flat)).all()
    assert snapshot.sparse.words.language == "none" and snapshot.sparse.search("gamma", 5)[0].size == 1
    commit(store, map(cut, documents({"c": "delta"})), Hashing())
    assert len(open_snapshot(store)) == len(flat) + 1


def test_a_damaged_store_of_format_one_stays_as_it_was(tmp_path):
    old_store(tmp_path / "old", {"a": "alpha"})
    (tmp_path / "old" / "gen-000001" / "vectors.npy").write_bytes(b"")
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path / "old")
    with sqlite3.connect(tmp_path / "old" / "store.db") as db:
        assert db.execute("SELECT value FROM meta WHERE key='format'").fetchone() == ("1",)


class Broken:
    "An encoder that is right until it is not."

    def __init__(self, change):
        self.real, self.change = load_encoder(), change
        self.name, self.fingerprint = self.real.name, self.real.fingerprint
        self.dimensions, self.max_tokens = self.real.dimensions, self.real.max_tokens

    def encode(self, texts, kind="document", progress=False):
        return self.change(self.real.encode(texts, kind, progress))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v[:-1], "shape"),
        (lambda v: v[:, :5], "shape"),
        (lambda v: np.vstack([v[:-1], v[-1:] * np.nan]), "NaN or infinity for 'Ice is cold"),
        (lambda v: v * np.inf, "NaN or infinity"),
    ],
)
def test_bad_vectors_are_refused_and_nothing_is_lost(tmp_path, change, said):
    encoder, store = load_encoder(), Store(tmp_path / "store")

    def cut(*texts):
        documents = [Document.of(t, t) for t in texts]
        return zip(documents, split(documents, encoder), strict=True)

    commit(store, cut("Tea is hot."), encoder)
    with pytest.raises(ModelError, match=said):
        commit(store, cut("Ice is cold.", "Snow is cold."), Broken(change))
    snapshot = open_snapshot(Store(tmp_path / "store"))
    assert store.generation == 1 and len(snapshot) == 1
    commit(store, cut("Ice is cold."), encoder)
    assert store.counts()["documents"] == 2


def test_other_settings_make_the_indexes_anew(tmp_path):
    encoder, store = load_encoder(), Store(tmp_path / "store")
    document = Document.of("Die Kessel stehen in der Küche.", "kessel")
    commit(store, [(document, split([document], encoder)[0])], encoder)
    assert commit(store, [], encoder, settings=Settings()) == 1
    assert commit(store, [], encoder, settings=Settings(language="german")) == 2
    assert open_snapshot(store).sparse.words.language == "german"
    assert (
        commit(store, [], encoder, settings=Settings(language="auto")) == 2
    )  # whatever it is, it is settled
