"""Reranking, diversity, expansion and batches keep their promises."""

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import Document, InputError, ModelError, Reranker, Settings
from liquid_ai.indexing.embed import load_encoder, packaged_spec
from liquid_ai.indexing.store import Store, commit, open_snapshot
from liquid_ai.ingestion.chunk import split
from liquid_ai.pipeline import RAG
from liquid_ai.retrieval.fuse import Arm, fuse_scores, standard_scores
from liquid_ai.retrieval.rerank import CrossEncoder, LateInteraction, diversified
from liquid_ai.retrieval.search import check_choices, search, search_many

TEXTS = ["The pass statement does nothing.", "A loop is left by break.", "", "naïve café 日本語 " * 200]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    encoder, store = load_encoder(), Store(tmp_path_factory.mktemp("rerank") / "store")
    documents = [
        Document.of(
            "\n\n".join(
                f"## Part {p}\n\n" + f"Topic {d} has part {p}. " * 6 + "It ends here." for p in range(4)
            ),
            f"doc-{d}",
            title=f"Topic {d}",
        )
        for d in range(6)
    ]
    commit(store, zip(documents, split(documents, encoder, 40, True), strict=True), encoder)
    return open_snapshot(store)


def test_late_interaction_scores_each_text_by_itself():
    late = LateInteraction(load_encoder())
    assert isinstance(late, Reranker)
    together = late.score("what does pass do?", TEXTS)
    alone = np.concatenate([LateInteraction(late.encoder).score("what does pass do?", [t]) for t in TEXTS])
    assert np.abs(together - alone).max() < 0.03 and np.isfinite(together).all()  # bfloat16
    assert np.array_equal(late.score("what does pass do?", TEXTS), together)  # remembered


def test_late_interaction_forgets_what_is_over_its_limit():
    late = LateInteraction(load_encoder(), kept=2)
    first = late.score("pass", TEXTS)
    assert np.abs(late.score("pass", TEXTS) - first).max() < 0.03 and len(late._passages) == 2


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory) -> Path:
    "A small random one, with the packaged tokenizer."
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("cross-encoder")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=1,
    )
    BertForSequenceClassification(config).eval().save_pretrained(folder)
    AutoTokenizer.from_pretrained(packaged_spec().folder).save_pretrained(folder)
    return folder


def test_a_cross_encoder_scores_as_sentence_transformers(cross_encoder):
    from sentence_transformers import CrossEncoder as Reference

    ours = CrossEncoder(str(cross_encoder), "cpu", batch=3)
    reference = Reference(str(cross_encoder), device="cpu", max_length=512)
    wanted = reference.predict([("pass?", t) for t in TEXTS], activation_fn=__import__("torch").nn.Identity())
    assert np.allclose(ours.score("pass?", TEXTS), wanted, atol=1e-5)


def test_a_search_reranks_with_a_cross_encoder(snapshot, cross_encoder):
    settings = Settings(rerank=str(cross_encoder), rerank_weight=1.0, rerank_top=8, top_k=8, device="cpu")
    hits = search(snapshot, load_encoder(), "topic 3", settings)
    ranks = [h.signals["rerank"].rank for h in hits]
    assert ranks == sorted(ranks) and [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


def test_a_folder_that_is_no_cross_encoder_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="pickled weights"):
        CrossEncoder(str(tmp_path))


def test_a_reranker_that_gives_nan_is_named(snapshot):
    class Broken:
        name = "broken"

        def score(self, question, texts):
            return np.full(len(texts), np.nan, np.float32)

    with pytest.raises(InputError, match="'broken'"):
        search(snapshot, load_encoder(), "topic", reranker=Broken())


def test_what_is_not_reranked_stays_below(snapshot):
    plain = Settings(top_k=20)
    first = [h.chunk.id for h in search(snapshot, load_encoder(), "topic 2 part 1", plain)]
    hits = search(snapshot, load_encoder(), "topic 2 part 1", Settings(top_k=20, rerank="late", rerank_top=5))
    assert {h.chunk.id for h in hits[:5]} == set(first[:5])
    assert [h.chunk.id for h in hits[5:]] == first[5:]
    assert all(a.score >= b.score for a, b in zip(hits, hits[1:], strict=False))


@given(st.integers(0, 40), st.integers(1, 12), st.floats(0, 1), st.integers(0, 99))
def test_diversity_chooses_among_the_rows_without_repeating(n, k, diversity, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(60, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows, scores = rng.permutation(60)[:n], -np.sort(-rng.random(n))
    taken, _ = diversified(rows, scores, vectors, k, diversity)
    assert len(taken) == len(set(taken.tolist())) == min(n, k) and set(taken) <= set(rows)
    if n:
        assert taken[0] == rows[0]
    if diversity == 0:
        assert taken.tolist() == rows[:k].tolist()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.floats(0.1, 9), st.floats(-5, 5))
def test_standard_scores_have_no_unit(scores, scale, shift):
    scores = np.array(scores, float)
    assert np.allclose(standard_scores(scores), standard_scores(scores * scale + shift), atol=1e-6)


@given(st.integers(1, 30), st.integers(0, 99))
def test_fusion_ranks_every_row_that_was_found_by_the_weighted_sum(n, seed):
    rng = np.random.default_rng(seed)
    arms, wanted = [], np.zeros(40)
    for weight in (0.6, 0.4):
        scores = rng.normal(size=40)
        rows = rng.permutation(40)[:n]
        arms.append(Arm("arm", rows, scores[rows], lambda at, s=scores: s[at], weight))
        spread = scores[rows].std()
        wanted += weight * (scores - scores[rows].mean()) / spread if spread > 1e-9 else 0
    rows, fused = fuse_scores(arms)
    assert set(rows) == set(arms[0].rows) | set(arms[1].rows)
    assert np.allclose(fused, wanted[rows]) and (np.diff(fused) <= 0).all()


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(["topic 1", "part 2", "it ends here", "topic 5 part 3"]), st.integers(1, 3_000))
def test_hits_grow_into_spans_of_their_documents(snapshot, question, chars):
    plain = search(snapshot, load_encoder(), question, Settings(top_k=12))
    hits = search(snapshot, load_encoder(), question, Settings(top_k=12, parent_chars=chars))
    held = {}
    for hit in hits:
        c = hit.chunk
        assert snapshot.document(c.document_id).text[c.start : c.end] == c.text
        assert len(c.text) <= chars or c.id in {h.chunk.id for h in plain}
        assert all(c.end <= a or b <= c.start for a, b in held.get(c.document_id, []))
        held.setdefault(c.document_id, []).append((c.start, c.end))
    for hit in plain:  # nothing that was found is lost
        spans = held[hit.chunk.document_id]
        assert any(a <= hit.chunk.start and hit.chunk.end <= b for a, b in spans)


def test_a_batch_finds_what_single_searches_find(snapshot):
    encoder, asked = load_encoder(), ["topic 1", "part 3", "ends", "topic 4 part 2"]
    vectors = encoder.encode(asked, "query")
    together = search_many(snapshot, encoder, asked, vectors=vectors)
    for question, vector, hits in zip(asked, vectors, together, strict=True):
        assert [h.chunk.id for h in search(snapshot, encoder, question, vector=vector)] == [
            h.chunk.id for h in hits
        ]


@pytest.mark.parametrize(
    "wrong", [{"fusion": "sum"}, {"dense_weight": 1.5}, {"dense_weight": float("nan")}, {"diversity": -1}]
)
def test_choices_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        check_choices(Settings(**wrong))


def test_readers_are_served_while_the_store_changes(tmp_path):
    errors, done = [], threading.Event()
    with RAG.open(tmp_path / "store") as rag:
        rag.ingest(Document.of("The kettle holds 1.7 litres.", "kettle"), progress=False)

        def read():
            while not done.is_set():
                try:
                    hits = rag.search("how much does the kettle hold?", top_k=50)
                    assert any("1.7" in h.chunk.text for h in hits)
                except Exception as e:  # shown by the assertion below
                    errors.append(e)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for n in range(8):
            rag.ingest(Document.of(f"Note {n}: nothing about water.", f"note-{n}"), progress=False)
        done.set()
        for reader in readers:
            reader.join()
        assert not errors and rag.snapshot().generation == rag.store.generation
