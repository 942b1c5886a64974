"""One system in a process of its own: from files to a store on disk that can be searched, timed.

`python ingest_systems.py NAME MODEL`, in the environment that has the system; MODEL is the encoder's folder.
Asked for `files`, it tells which of them it can read; asked for a `folder`, it takes it into `store`.
Libraries and encoder are loaded before. What is nearest to each library's documentation, offline:

* LangChain: DirectoryLoader with PyPDFLoader, Docx2txtLoader, BSHTMLLoader, CSVLoader, and TextLoader (for
  Markdown in place of UnstructuredMarkdownLoader); RecursiveCharacterTextSplitter; FAISS.from_documents with
  HuggingFaceEmbeddings in place of a hosted model; save_local.
* LlamaIndex: SimpleDirectoryReader with the readers of llama-index-readers-file, its default for each format
  and HTMLTagReader for HTML, which it would take with all its tags; SentenceSplitter; VectorStoreIndex on
  FaissVectorStore with HuggingFaceEmbedding in place of a hosted model; persist.
* liquid_ai: RAG.sync, which is BM25, SQLite, hashes, a report and fsync beside vectors. Of larger folders it
  reads the files by several processes, which is its default; the others' default is one."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

SUFFIXES = (".pdf", ".docx", ".html", ".md", ".csv", ".txt")  # for which each has a documented offline loader
TOKENS = 254  # MiniLM's window less its two special tokens
QUESTION = "What is this about?"
Readable = Callable[[Path], int]  # takes a file, returns how many characters it reads in it
Ingest = Callable[[str, str, bool], dict]  # takes folder, store, and whether the size is the same for all


class Stages(dict):
    "Seconds by stage."

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self[name] = time.perf_counter() - start


def _usable(texts: list[str]) -> int:
    "Characters that an encoder takes; none where a half of a pair stands alone, on which tokenizers raise."
    try:
        return sum(len(text.encode("utf-8").decode().strip()) for text in texts)
    except UnicodeEncodeError:
        return 0


def liquid_ai(model: str, precision: str = "auto") -> tuple[Readable, Ingest]:
    "RAG.sync; chunks of 254 tokens, without headings before them (same size) or with them (defaults)."
    from liquid_ai import RAG
    from liquid_ai.core import Settings
    from liquid_ai.indexing.embed import load_encoder
    from liquid_ai.ingestion.load import load_file

    load_encoder(Settings(precision=precision)).encode([QUESTION])

    def readable(file: Path) -> int:
        document = load_file(file).document
        return len(document.text) if document else 0

    def ingest(folder: str, store: str, same: bool) -> dict:
        timed = Stages()
        with timed("sync"):
            rag = RAG.open(store, precision=precision, headings=not same)
            report = rag.sync(folder, progress=False)
        with rag:
            characters = sum(row.chars for row in report.rows)
            hits, chunks = len(rag.search(QUESTION)), rag.info()["chunks"]
            return {"stages": timed, "chunks": chunks, "characters": characters, "hits": hits}

    return readable, ingest


def liquid_ai_float32(model: str) -> tuple[Readable, Ingest]:
    "The same with the encoder's vectors in float32, as the others have them."
    return liquid_ai(model, "float32")


def langchain(model: str) -> tuple[Readable, Ingest]:
    "RecursiveCharacterTextSplitter: 254 tokens without overlap, or 1,000 characters with 200 (tutorials)."
    from langchain_community.document_loaders import (
        BSHTMLLoader,
        CSVLoader,
        DirectoryLoader,
        Docx2txtLoader,
        PyPDFLoader,
        TextLoader,
    )
    from langchain_community.vectorstores import FAISS
    from langchain_huggingface import HuggingFaceEmbeddings
    from langchain_text_splitters import RecursiveCharacterTextSplitter
    from transformers import AutoTokenizer

    loaders = {".pdf": PyPDFLoader, ".docx": Docx2txtLoader, ".html": BSHTMLLoader, ".csv": CSVLoader}
    loaders |= {".md": TextLoader, ".txt": TextLoader}
    tokenizer = AutoTokenizer.from_pretrained(model)
    embeddings = HuggingFaceEmbeddings(model_name=model, model_kwargs={"device": "cpu"})
    embeddings.embed_documents([QUESTION])

    def readable(file: Path) -> int:
        return _usable([d.page_content for d in loaders[file.suffix](str(file)).load()])

    def ingest(folder: str, store: str, same: bool) -> dict:
        timed = Stages()
        with timed("load"):
            documents = [
                document
                for suffix, loader in loaders.items()
                for document in DirectoryLoader(folder, glob=f"**/*{suffix}", loader_cls=loader).load()
            ]
        with timed("split"):
            of_tokens = RecursiveCharacterTextSplitter.from_huggingface_tokenizer
            splitter = (
                of_tokens(tokenizer, chunk_size=TOKENS, chunk_overlap=0)
                if same
                else RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
            )
            chunks = splitter.split_documents(documents)
        with timed("embed"):
            index = FAISS.from_documents(chunks, embeddings)
        with timed("write"):
            index.save_local(store)
        characters = sum(len(d.page_content) for d in documents)
        hits = len(index.similarity_search(QUESTION))
        return {"stages": timed, "chunks": len(chunks), "characters": characters, "hits": hits}

    return readable, ingest


def llamaindex(model: str) -> tuple[Readable, Ingest]:
    "SentenceSplitter: 254 tokens, no overlap or metadata; or its own 1,024, of which the encoder reads 256."
    import faiss
    from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.readers.file import HTMLTagReader
    from llama_index.vector_stores.faiss import FaissVectorStore
    from transformers import AutoTokenizer

    embed_model = HuggingFaceEmbedding(model_name=model, device="cpu")
    dimensions = len(embed_model.get_text_embedding(QUESTION))
    tokenize, extractor = AutoTokenizer.from_pretrained(model).tokenize, {".html": HTMLTagReader("body")}

    def readable(file: Path) -> int:
        reader = SimpleDirectoryReader(input_files=[file], file_extractor=extractor, raise_on_error=True)
        return _usable([d.text for d in reader.load_data()])

    def ingest(folder: str, store: str, same: bool) -> dict:
        timed = Stages()
        with timed("load"):
            documents = SimpleDirectoryReader(folder, recursive=True, file_extractor=extractor).load_data()
        with timed("split"):
            splitter = SentenceSplitter()
            if same:
                splitter = SentenceSplitter(chunk_size=TOKENS, chunk_overlap=0, tokenizer=tokenize)
                for document in documents:  # it would count as a part of each chunk, and be embedded with it
                    document.excluded_embed_metadata_keys = list(document.metadata)
                    document.excluded_llm_metadata_keys = list(document.metadata)
            nodes = splitter.get_nodes_from_documents(documents)
        with timed("embed"):
            faiss_store = FaissVectorStore(faiss_index=faiss.IndexFlatL2(dimensions))
            context = StorageContext.from_defaults(vector_store=faiss_store)
            index = VectorStoreIndex(nodes, storage_context=context, embed_model=embed_model)
        with timed("write"):
            index.storage_context.persist(persist_dir=store)
        characters, hits = sum(len(d.text) for d in documents), index.as_retriever().retrieve(QUESTION)
        return {"stages": timed, "chunks": len(nodes), "characters": characters, "hits": len(hits)}

    return readable, ingest


ST = ["faiss-cpu", "sentence-transformers", "transformers", "torch"]
SYSTEMS: dict[
    str, tuple[Callable, list[str]]
] = {  # by name in the figures: function, packages that it rests on
    "liquid_ai": (liquid_ai, ["openvino"]),
    "liquid_ai, float32": (liquid_ai_float32, ["openvino"]),
    "LangChain": (
        langchain,
        ["langchain-community", "langchain-text-splitters", "pypdf", "docx2txt", "beautifulsoup4", *ST],
    ),
    "LlamaIndex": (llamaindex, ["llama-index-core", "llama-index-readers-file", "pypdf", "docx2txt", *ST]),
}


def main(name: str, model: str) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed goes to the log
    make, packages = SYSTEMS[name]
    readable, ingest = make(model)
    versions = {p: metadata.version(p) for p in packages}
    print(json.dumps({"about": make.__doc__, "versions": versions}), file=answers, flush=True)
    for line in sys.stdin:
        asked, answer = json.loads(line), {"readable": []}
        if "files" not in asked:
            answer = ingest(asked["folder"], asked["store"], asked["same"])
        for file in asked.get("files", ()):
            with suppress(Exception):  # whatever a library raises: it cannot read this file
                answer["readable"] += [file] if readable(Path(file)) else []
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).resolve().parent))  # none of its files is to hide a package
    main(sys.argv[1], sys.argv[2])
