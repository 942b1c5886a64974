"""One system in a process of its own: indexes SciFact, then answers a question a line with document ids.

`python systems.py NAME FOLDER`, in the environment that has the system; `benchmarks/peers` writes FOLDER.
A peer is given the documents' vectors ready-made, and embeds every question itself."""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np

TOP_K = 10  # and of each arm; with 100, nDCG@10: LangChain .677, Haystack .692, LlamaIndex .717
Search = Callable[[str], list[str]]  # takes a question, returns ids of documents, the best first


def liquid_ai(ids, texts, vectors, model, whole: bool = False) -> Search:
    "Defaults; chunks enough for ten documents, each in the place of its best chunk."
    from unittest.mock import patch

    from liquid_ai import RAG
    from liquid_ai.core import Document, chunk_document
    from liquid_ai.evaluation.ranking import ranked_documents
    from liquid_ai.ingestion import ingest

    def uncut(documents, *_):
        return [[*chunk_document(d, [(0, len(d.text), ())])] for d in documents]

    documents = [
        Document.of(t, source=i, title="" if whole else t.partition("\n")[0])
        for i, t in zip(ids, texts, strict=True)
    ]
    rag = RAG.open(Path(tempfile.mkdtemp()) / "store")
    with patch.object(ingest, "split", uncut if whole else ingest.split):
        rag.ingest(documents, progress=False)
    top_k = TOP_K if whole else 3 * TOP_K
    return lambda question: ranked_documents(rag.search(question, top_k=top_k))[:TOP_K]


def liquid_ai_whole(ids, texts, vectors, model) -> Search:
    "One chunk a document, its vector that of the first 256 tokens, as the others have it."
    return liquid_ai(ids, texts, vectors, model, whole=True)


def langchain(ids, texts, vectors, model) -> Search:
    "EnsembleRetriever of FAISS (exact) and BM25Retriever (lower case words), 10 each, reciprocal ranks."
    from langchain_classic.retrievers import EnsembleRetriever
    from langchain_community.retrievers import BM25Retriever
    from langchain_community.vectorstores import FAISS
    from langchain_huggingface import HuggingFaceEmbeddings

    of = [{"id": i} for i in ids]
    embeddings = HuggingFaceEmbeddings(model_name=model, model_kwargs={"device": "cpu"})
    dense = FAISS.from_embeddings(zip(texts, vectors.tolist(), strict=True), embeddings, metadatas=of)
    sparse = BM25Retriever.from_texts(
        texts, of, preprocess_func=lambda text: re.findall(r"\w+", text.lower()), k=TOP_K
    )
    both = [dense.as_retriever(search_kwargs={"k": TOP_K}), sparse]
    retriever = EnsembleRetriever(retrievers=both, weights=[0.5, 0.5], id_key="id")
    return lambda question: [d.metadata["id"] for d in retriever.invoke(question)][:TOP_K]


def llamaindex(ids, texts, vectors, model) -> Search:
    "QueryFusionRetriever of FaissVectorStore (exact) and BM25Retriever (stemmed), 10 each, reciprocal ranks."
    import faiss
    from llama_index.core import StorageContext, VectorStoreIndex
    from llama_index.core.llms import MockLLM
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.core.schema import TextNode
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.retrievers.bm25 import BM25Retriever
    from llama_index.vector_stores.faiss import FaissVectorStore

    rows = zip(ids, texts, vectors.tolist(), strict=True)
    nodes = [TextNode(id_=i, text=t, embedding=v) for i, t, v in rows]
    store = FaissVectorStore(faiss_index=faiss.IndexFlatIP(vectors.shape[1]))
    index = VectorStoreIndex(
        nodes,
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=HuggingFaceEmbedding(model_name=model, device="cpu"),
    )
    retriever = QueryFusionRetriever(
        [
            index.as_retriever(similarity_top_k=TOP_K),
            BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=TOP_K),
        ],
        llm=MockLLM(),  # never asked: one query
        num_queries=1,
        mode="reciprocal_rerank",
        similarity_top_k=TOP_K,
        use_async=False,
    )
    return lambda question: [n.node.node_id for n in retriever.retrieve(question)]


def txtai(ids, texts, vectors, model) -> Search:
    "Embeddings(hybrid=True) without content, which returns ids alone; exact FAISS, its own choice being IVF."
    from unittest.mock import patch

    from txtai import Embeddings

    embeddings = Embeddings(path=model, hybrid=True, gpu=False, faiss={"components": "IDMap,Flat"})
    known = dict(zip(texts, vectors, strict=True))
    with patch.object(embeddings.model, "encode", lambda data, *_: np.stack([known[text] for text in data])):
        embeddings.index(zip(ids, texts, strict=True))
    return lambda question: [i for i, _ in embeddings.search(question, TOP_K)]


def haystack(ids, texts, vectors, model) -> Search:
    "Pipeline of InMemory retrievers for vectors and BM25, 10 each, and DocumentJoiner, reciprocal ranks."
    from haystack import Document, Pipeline
    from haystack.components.joiners import DocumentJoiner
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack.utils import ComponentDevice
    from haystack_integrations.components.embedders.sentence_transformers import (
        SentenceTransformersTextEmbedder,
    )

    store, rows = InMemoryDocumentStore(), zip(ids, texts, vectors.tolist(), strict=True)
    store.write_documents([Document(id=i, content=t, embedding=v) for i, t, v in rows])
    cpu = ComponentDevice.from_str("cpu")
    pipeline = Pipeline()
    pipeline.add_component(
        "embedder", SentenceTransformersTextEmbedder(model=model, device=cpu, progress_bar=False)
    )
    pipeline.add_component("dense", InMemoryEmbeddingRetriever(document_store=store, top_k=TOP_K))
    pipeline.add_component("sparse", InMemoryBM25Retriever(document_store=store, top_k=TOP_K))
    pipeline.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=TOP_K))
    pipeline.connect("embedder.embedding", "dense.query_embedding")
    pipeline.connect("dense", "joiner")
    pipeline.connect("sparse", "joiner")

    def search(question: str) -> list[str]:
        found = pipeline.run({"embedder": {"text": question}, "sparse": {"query": question}})
        return [d.id for d in found["joiner"]["documents"]]

    return search


ST = ["sentence-transformers", "transformers", "torch"]
SYSTEMS: dict[
    str, tuple[Callable, list[str]]
] = {  # by name in the figures: function, packages that it rests on
    "liquid_ai": (liquid_ai, ["openvino", "faiss-cpu"]),
    "liquid_ai, whole documents": (liquid_ai_whole, ["openvino", "faiss-cpu"]),
    "LangChain": (langchain, ["langchain-classic", "langchain-community", "rank-bm25", "faiss-cpu", *ST]),
    "LlamaIndex": (
        llamaindex,
        ["llama-index-core", "llama-index-retrievers-bm25", "bm25s", "faiss-cpu", *ST],
    ),
    "txtai": (txtai, ["txtai", "faiss-cpu", *ST[1:]]),
    "Haystack": (haystack, ["haystack-ai", "sentence-transformers-haystack", *ST]),
}


def main(name: str, folder: Path) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed goes to the log
    make, packages = SYSTEMS[name]
    corpus = json.loads((folder / "corpus.json").read_text("utf-8"))
    vectors = np.load(folder / "vectors.npy")
    search = make(corpus["ids"], corpus["texts"], vectors, corpus["model"])
    versions = {p: metadata.version(p) for p in packages}
    print(json.dumps({"about": make.__doc__, "versions": versions}), file=answers, flush=True)
    for line in sys.stdin:
        question, start = json.loads(line), time.perf_counter()
        found = search(question)
        taken = (time.perf_counter() - start) * 1e3
        print(json.dumps({"ms": taken, "ids": found}), file=answers, flush=True)


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).resolve().parent))  # none of its files is to hide a package
    main(sys.argv[1], Path(sys.argv[2]))
