"""The contract of the command line: exit codes, one JSON document and nothing else, inert text."""

import io
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, redirect_stderr, redirect_stdout
from importlib import metadata

import pytest
from conftest import ROOT

from liquid_ai import __version__
from liquid_ai.cli import commands, doctor, main, models
from liquid_ai.cli.commands import QUESTIONS, show_answer
from liquid_ai.cli.options import parse_where
from liquid_ai.core import Answer, Citation, LiquidError, Sentence, StreamEvent
from liquid_ai.pipeline import RAG

HEAVY = {"torch", "transformers", "openvino", "faiss", "sentence_transformers", "numpy", "rich"}
HEAVY |= {"fastapi", "uvicorn", "mcp", "structlog"}
COMMANDS = ["ingest", "search", "ask", "chat", "quickstart", "models", "models pull", "doctor"]
COMMANDS += ["eval ranking", "eval answers", "sweep"]
COMMANDS += ["keys new", "keys list", "keys revoke", "audit verify", "audit head"]
SERVERS = ["serve", "mcp"]  # they run until they are told to stop, and print no document
PROCESS = [sys.executable, "-c", "import sys; from liquid_ai.cli import main; sys.exit(main())"]
ATTACK = "[bold]bold[/bold] \x1b[2J\x1b]0;owned\x07 \u202egnirts :smile: [link=https://example.org]x[/link]"
HERON = "The grey heron stands still in shallow water and waits for fish. It nests in trees.\n"
QUESTION = "What does the waggle dance give?"
BEES = "Bees tell each other where flowers are by a dance. The waggle dance gives direction and distance.\n"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("LIQUID_AI_GENERATOR", "packaged")


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "notes"
    folder.mkdir()
    (folder / "herons.md").write_text(f"# Herons\n\n{HERON}\nThe ring of the heron says {ATTACK}.\n")
    (folder / "bees.txt").write_text(BEES)
    (folder / "photo.txt").write_bytes(bytes(range(256)))
    return folder


@pytest.fixture(scope="module")
def made(notes):
    "A store, and what making it printed."
    store = notes.parent / "store"
    return store, run("ingest", notes, "--store", store)


@pytest.fixture
def store(made):
    return made[0]


@pytest.fixture
def copy(store, tmp_path):
    "A store to be damaged."
    return shutil.copytree(store, tmp_path / "copy")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(*words, stdin="", screen=io.StringIO):
    "Exit code, stdout and stderr of a command, run in this process."
    out, err = screen(), screen()
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        code = main([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def run_json(*words, stdin=""):
    "Exit code and document of a command with --json; stdout must hold one line, and that line the document."
    code, out, _ = run(*words, "--json", stdin=stdin)
    assert out.isascii() and out.count("\n") == 1
    return code, json.loads(out, parse_constant=pytest.fail)


def test_help_loads_nothing_heavy():
    helps = [[*command.split(), "--help"] for command in ["", *COMMANDS, *SERVERS]]
    code = f"import sys; from liquid_ai.cli import main; print([main(w) for w in {helps}], *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    last = done.stdout.splitlines()[-1]
    assert last.startswith(str([0] * len(helps))) and HEAVY & set(last.split()) == set()


def test_help_names_every_command_and_option(made):
    code, out, err = run("--help")
    assert (code, err) == (0, "") and "Exit codes: 0 done, 1 failed, 2 wrong use" in out
    assert all(command.split()[0] in out for command in COMMANDS + SERVERS)
    assert all("--json" in run(*command.split(), "--help")[1] for command in COMMANDS)
    assert all("--store" in run(command, "--help")[1] for command in SERVERS)


def test_version():
    assert run("--version") == (0, f"liquid_ai {__version__}\n", "")


def test_real_process_prints_one_json_document(store):
    command = [*PROCESS, "ask", QUESTION, "--store", store, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["citations"] and "Traceback" not in done.stderr


def test_reader_that_goes_away():
    process = subprocess.Popen([*PROCESS, "models"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), err) == (1, b"")


def test_ingest_shows_every_file(made):
    _, (code, out, err) = made
    assert (code, err) == (0, "")
    assert "3 files" in out and "photo.txt  binary" in out and "holds 2 documents in" in out


def test_ingest_again_as_json(made, notes):
    store, _ = made
    code, told = run_json("ingest", notes, "--store", store)
    assert code == 0 and told["counts"] == {"unsupported": 1, "parsed": 2} and "error" not in told
    assert {row["path"].split("/")[-1]: bool(row["chunks"]) for row in told["rows"]} == {
        "bees.txt": True,
        "herons.md": True,
        "photo.txt": False,
    }


@pytest.mark.parametrize("what", ["photo.txt", "absent.md"])
def test_ingest_of_nothing_readable_fails(notes, tmp_path, what):
    code, out, err = run("ingest", notes / what, "--store", tmp_path / "store")
    assert (code, err) == (1, "") and what in out
    code, told = run_json("ingest", notes / what, "--store", tmp_path / "store")
    assert code == 1 and len(told["rows"]) == 1 and "nothing could be read" in told["error"]["message"]


def test_search(store):
    code, out, err = run("search", "who dances?", "--store", store, "--top-k", "1")
    assert (code, err) == (0, "") and out.startswith("1. bees") and BEES[:40] in out
    code, found = run_json("search", QUESTION, "--store", store, "--mode", "dense", "--where", "ext=.md")
    assert code == 0 and [hit["chunk"]["title"] for hit in found["hits"]] == ["Herons"]


def test_where_is_typed_and_repeatable():
    assert parse_where(["a=1", "a=x=y", "b="]) == {"a": ["1", 1, "x=y"], "b": [""]}
    assert parse_where([]) is parse_where(None) is None


def test_answer_for_a_person(store):
    code, out, err = run("ask", QUESTION, "--store", store)
    assert (code, err) == (0, "") and "[1] bees" in out
    assert all(word in out for word in ("“", " ms (", "generate ", "tokens read", "confidence 0."))


def test_answer_with_everything(capsys):
    citation = Citation(2, "c", "d", 0, 400, "long words " * 40, "a.md", "a › b, page 3", 3, attached=True)
    sentences = (Sentence(0, 6, 0.9, True, (2,)), Sentence(7, 15, 0.1, False))
    answer = Answer("?", "Known. Guessed.", (citation,), sentences, reason="one citation attached")
    show_answer(answer)
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "Known. Guessed." and told[2] == "  [?] nothing retrieved supports: “Guessed.”"
    assert told[1].startswith("  [2] a › b, page 3 (attached): “long words") and len(told[1]) < 200
    assert told[3] == "  note: one citation attached" and len(told) == 5


def test_abstention_is_no_failure(store):
    code, out, err = run("ask", "Who composed the opera Fidelio?", "--store", store)
    assert (code, err) == (0, "") and out.startswith("no answer: ")
    assert run_json("ask", "Who composed the opera Fidelio?", "--store", store)[1]["abstained"]


def test_chat_reads_lines_until_exit(store):
    said = f"{QUESTION}\nexit\nWhere does the heron nest?\n"
    code, out, err = run("chat", "--store", store, stdin=said)
    assert (code, err) == (0, "") and "[1] bees" in out and "Where does" not in out
    assert "Herons (attached)" not in out  # what comes after `exit` is not read


@pytest.mark.parametrize("end", ["", "\n", "\n\nWho dances?\n", "\nexit\n", "\n  \n"])
def test_chat_ends(store, end):
    code, told = run_json("chat", "--store", store, stdin=f"{QUESTION}{end}")
    assert code == 0 and [answer["question"][:4] for answer in told["answers"]] == ["What"]


def test_chat_goes_on_after_a_question_it_refuses(store):
    said = f"{'a' * 1_000_000}\n{QUESTION}\n"
    code, out, err = run("chat", "--store", store, stdin=said)
    assert code == 0 and "1,000,000 characters" in err and "[1] bees" in out
    code, told = run_json("chat", "--store", store, stdin=said)
    assert (
        code == 0 and told["answers"][0]["error"]["type"] == "InputError" and told["answers"][1]["citations"]
    )


def test_quickstart(tmp_path):
    code, told = run_json("quickstart", "--store", tmp_path / "store")
    assert code == 0 and [a["question"] for a in told["answers"]] == list(QUESTIONS)
    assert [a["abstained"] for a in told["answers"]] == [False, False, True]
    assert all(a["citations"] for a in told["answers"][:2]) and told["next"]


def test_models():
    code, out, err = run("models")
    assert (code, err) == (0, "") and "lfm2-700m" in out and "auto: " in out
    code, told = run_json("models")
    assert code == 0 and told["auto"]["why"] and told["models"][0]["name"] == "packaged"
    code, told = run_json("models", "pull", "packaged")
    assert code == 0 and told["folder"]


def test_doctor(store):
    code, out, err = run("doctor", "--store", store)
    assert (code, err) == (0, "") and metadata.version("torch") in out and "all-MiniLM-L6-v2" in out
    code, told = run_json("doctor", "--store", store)
    assert code == 0 and told["errors"] == [] and told["store"]["documents"] == 2
    assert told["versions"]["liquid_ai"] == __version__ and told["devices"]["torch"]


def test_doctor_needs_no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, told = run_json("doctor")
    assert code == 0 and "store" not in told
    code, told = run_json("doctor", "--store", "gone")
    assert code == 1 and "no store at gone" in told["errors"][0]["message"]


def test_doctor_warns_of_two_faiss_and_goes_on_after_a_failure(monkeypatch, tmp_path):
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "1.0" if name.startswith("faiss") else real(name))
    monkeypatch.setattr(doctor, "check_devices", lambda: 1 / 0)
    monkeypatch.chdir(tmp_path)
    code, told = run_json("doctor")
    assert code == 1 and "faiss-gpu both own" in told["warnings"][0]
    assert told["errors"] == [{"type": "ZeroDivisionError", "message": "division by zero"}] and told["models"]


WRONG = [  # words, exit code, type, a part of the message
    (["aks", "why"], 2, "UsageError", "No such command"),
    (["ask"], 2, "UsageError", "QUESTION"),
    (["ask", "why", "--loud"], 2, "UsageError", "No such option"),
    (["ask", "why", "--top-k", "many"], 2, "UsageError", "top-k"),
    (["ask", "why", "--top-k", "0"], 2, "InputError", "top_k=0"),
    (["search", "why", "--top-k", "1000000"], 2, "InputError", "top_k=1000000"),
    (["search", ""], 2, "InputError", "empty"),
    (["ask", " \n"], 2, "InputError", "empty"),
    (["ask", "a" * 1_000_000], 2, "InputError", "1,000,000 characters"),
    (["search", "a" * 1_000_000], 2, "InputError", "1,000,000 characters"),
    (["search", "why", "--where", "ext"], 2, "InputError", "KEY=VALUE"),
    (["search", "why", "--where", "=x"], 2, "InputError", "KEY=VALUE"),
    (["search", "why", "--where", "colour=red"], 2, "InputError", "colour"),
    (["search", "why", "--mode", "psychic"], 2, "InputError", "psychic"),
    (["ask", QUESTION, "--generator", "nobody/nothing"], 1, "ModelError", "nobody/nothing"),
    (["models", "pull", "nothing"], 1, "ModelError", "nothing"),
    (["models", "push"], 2, "UsageError", "No such command"),
]


@pytest.mark.parametrize(("words", "code", "kind", "part"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_use_and_failure(store, words, code, kind, part):
    words = [*words, "--store", store] if words[0] in ("search", "ask") else words
    got, out, err = run(*words)
    assert (got, out) == (code, "") and part in err and "Traceback" not in err
    got, told = run_json(*words)
    assert got == code and told["error"]["type"] == kind and part in told["error"]["message"]


@pytest.mark.parametrize("command", ["search why", "ask why", "chat"])
def test_missing_store(tmp_path, command):
    words = [*command.split(), "--store", tmp_path / "gone"]
    code, out, err = run(*words, stdin="why\n")
    assert (code, out) == (1, "") and "no store at" in err and not (tmp_path / "gone").exists()
    code, told = run_json(*words, stdin="why\n")
    assert code == 1 and told["error"]["type"] == "StoreError"


def test_store_by_a_newer_version(copy, notes):
    with closing(sqlite3.connect(copy / "store.db")) as db, db:
        db.execute("UPDATE meta SET value='99' WHERE key='format'")
    for words in (["search", "why"], ["ask", "why"], ["ingest", notes], ["doctor", "--repair"]):
        code, told = run_json(*words, "--store", copy)
        assert code == 1 and "format 99" in told["error"]["message"] and "upgrade" in told["error"]["message"]
    code, told = run_json("doctor", "--store", copy)
    assert code == 1 and "format 99" in told["errors"][0]["message"]


def test_repair_heals_a_corrupt_snapshot(copy):
    [vectors] = copy.glob("gen-*/vectors.npy")
    data = bytearray(vectors.read_bytes())
    data[-64:] = bytes(64)
    vectors.write_bytes(data)
    code, out, err = run("search", "who dances?", "--store", copy)
    assert (code, out) == (1, "") and "vectors.npy is damaged" in err and "--repair" in err
    code, told = run_json("doctor", "--store", copy)
    assert code == 1 and told["errors"][0]["type"] == "StoreError"
    assert run_json("doctor", "--store", copy, "--repair")[0] == 0
    assert run("search", "who dances?", "--store", copy)[0] == 0


def test_folder_that_is_no_store(tmp_path, notes):
    code, told = run_json("ingest", notes, "--store", notes)
    assert code == 1 and "is not a store" in told["error"]["message"]
    (tmp_path / "empty").mkdir()
    code, told = run_json("ingest", tmp_path / "empty", "--store", tmp_path / "store")
    assert code == 2 and "no files in" in told["error"]["message"]


def test_unknown_setting_is_wrong_use(store, monkeypatch):
    monkeypatch.setenv("LIQUID_AI_TOPK", "3")
    code, told = run_json("search", "why", "--store", store)
    assert code == 2 and "LIQUID_AI_TOPK" in told["error"]["message"]


@pytest.mark.parametrize("screen", [io.StringIO, Terminal])
def test_text_of_documents_is_inert(store, tmp_path, monkeypatch, screen):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "400")
    odd, out = tmp_path / "\x1b[2J[red]odd.md", screen()
    odd.write_text("Nothing odd in here.\n")
    with redirect_stdout(out):
        quoted = Citation(1, "c", "d", 0, 9, ATTACK, ATTACK, ATTACK)
        show_answer(Answer("?", ATTACK, (quoted,), reason=ATTACK))
    shown = [
        out.getvalue(),
        run("search", "What does the ring of the heron say?", "--store", store, screen=screen)[1],
        run("ingest", odd, "--store", tmp_path / "store", screen=screen)[1],
        run("search", "odd", "--store", tmp_path / "store", screen=screen)[1],
        run("search", "\udcff", "--store", tmp_path / "\x1b[2Jgone", screen=screen)[2],
    ]
    for text in shown:
        assert not any(mark in text for mark in ("\x1b[2J", "\x1b]0", "\x07", "\u202e", "\udcff"))
        assert "\\x1b[2J" in text and ("\x1b[" not in text or screen is Terminal)
    assert all("[bold]bold[/bold]" in text and ":smile:" in text for text in shown[:2])
    assert all("[red]odd" in text for text in shown[2:4])
    assert screen is io.StringIO or "\x1b[1m1. " in shown[1]


def test_terminal_shows_the_draft_and_then_the_answer(store, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    drafts = [StreamEvent("token", "Bees \x1b[2J"), StreamEvent("token", "sing.")]
    answer = StreamEvent("answer", answer=Answer("?", "Bees dance."))
    monkeypatch.setattr(RAG, "stream", lambda *_, **__: iter([StreamEvent("hits"), *drafts, answer]))
    code, out, err = run("ask", "why", "--store", store, screen=Terminal)
    assert (
        code == 0
        and "\x1b[2J" not in out
        and out.index("sing.") < out.rindex("\x1b[2K") < out.index("dance.")
    )
    assert run("ask", "why", "--store", store)[1].startswith("Bees dance.\n")


def test_what_libraries_print_is_kept_from_stdout(monkeypatch):
    monkeypatch.setattr(models, "list_models", lambda: print("chatter") or [])
    code, out, err = run("models", "--json")
    assert code == 0 and json.loads(out)["models"] == [] and err == "chatter\n"


def test_interrupt_is_quiet(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "open_store", interrupted)
    assert run("ask", "why") == (130, "", "")


def test_a_bug_shows_its_traceback_on_stderr_alone(monkeypatch):
    monkeypatch.setattr(commands, "open_store", lambda *_: 1 / 0)
    code, out, err = run("ask", "why", "--json")
    assert code == 1 and json.loads(out)["error"]["type"] == "ZeroDivisionError"
    assert "Traceback" in err and "report it" in err


def test_failure_of_an_expected_kind_shows_none(monkeypatch):
    def refused(*_):
        raise LiquidError("not today")

    monkeypatch.setattr(commands, "open_store", refused)
    assert run("ask", "why") == (1, "", "error: not today\n")


def test_the_folder_that_is_served_can_be_set_in_the_environment(monkeypatch):
    monkeypatch.setenv("LIQUID_AI_SERVE_STORE", "of-the-environment")
    assert "no store at of-the-environment" in run("serve")[2]
    assert "no store at as-given" in run("serve", "--store", "as-given")[2]
