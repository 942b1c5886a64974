"Widgets: what they show and keep, what stands still without them, and nothing loaded before it is used."

import gc
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from conftest import NOTEBOOKS, ROOT
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from served import DOCUMENTS, Slow, opened, until
from test_reprs import EVIL, html_faults

from liquid_ai import Document
from liquid_ai.core import Hits, InputError, LiquidError, Settings
from liquid_ai.demo.view import View, bar, notice
from liquid_ai.demo.widgets import compare, explore, judge, read_judgements, trace, watch
from liquid_ai.evaluation.collections import read_trec_qrels, write_trec_qrels
from liquid_ai.evaluation.ranking import Run, evaluate, ranked_documents
from liquid_ai.training.track import track

WIDGET = "application/vnd.jupyter.widget-view+json"
QUERIES = {"q1": "What do grey herons eat?", "q2": "Who built the iron bridge?"}
TOO_BAD = HealthCheck.function_scoped_fixture


@pytest.fixture(scope="module")
def rag(tmp_path_factory):
    evil = Document.of(f"{EVIL} Herons eat fish, says {EVIL}.", EVIL, title=EVIL)
    with opened(tmp_path_factory.mktemp("widgets") / "store", Slow(), (*DOCUMENTS, evil), top_k=3) as rag:
        yield rag


@pytest.fixture
def screen(monkeypatch):
    "What a notebook displays: data, and the display that it replaces."
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shown = CapturingDisplayPublisher(shell=shell)
    monkeypatch.setattr(shell, "display_pub", shown)
    yield shown.outputs
    InteractiveShell.clear_instance()


def displayed(view):
    from IPython.display import display

    display(view)


# the two halves


def test_nothing_is_loaded_before_it_is_used():
    code = "import liquid_ai.demo.widgets, sys; print('ipywidgets' in sys.modules, 'IPython' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.split() == ["False", "False"], run.stderr


def test_missing_extra_is_said(rag, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    for make in (
        lambda: explore(rag, live=True),
        lambda: judge(rag, QUERIES, "x.jsonl", live=True),
        lambda: compare(rag, rag, live=True),
        lambda: watch([{"step": 1, "loss": 1.0}], live=True),
    ):
        with pytest.raises(LiquidError, match=r"pip install 'liquid_ai\[demo\]'"):
            make()
    assert "herons" in explore(rag, QUERIES["q1"], live=False)._repr_html_()


def test_what_stands_still_holds_no_widget(rag, screen):
    displayed(explore(rag, QUERIES["q1"], live=False))
    [output] = screen
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert "herons.txt" in output["data"]["text/html"] and "herons.txt" in output["data"]["text/plain"]


def test_what_is_live_is_kept_as_it_was_last_seen(rag, screen):
    view = explore(rag, QUERIES["q1"], live=True)
    displayed(view)
    control, still = screen
    assert set(control["data"]) == {WIDGET} and WIDGET not in still["data"]
    view._parts["mode"].value = "sparse"
    latest = screen[-1]
    assert latest["update"] and latest["transient"] == still["transient"]
    assert "mode=" in latest["data"]["text/html"] and "mode=" not in still["data"]["text/html"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_stored_notebooks_hold_no_dead_widgets(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs = [o.get("data", {}) for c in notebook["cells"] for o in c.get("outputs", [])]
    assert "widgets" not in notebook["metadata"] and not any(WIDGET in data for data in outputs)


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p.parent.name == "demo"], ids=lambda p: p.stem)
def test_stored_views_are_good_pages(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    pages = [
        o["data"]["text/html"]
        for c in cells
        for o in c.get("outputs", [])
        if "text/html" in o.get("data", {})
    ]
    if path.stem in ("view", "explore", "judge", "side_by_side", "trace_view", "watch", "widgets"):
        assert pages
        assert [f for p in pages for f in html_faults("".join(p))] == []


@pytest.mark.parametrize("kind", ["empty", "busy", "error"])
def test_notices_show_text(kind):
    assert html_faults(notice(kind, EVIL)) == []


@given(st.floats(), st.floats(), st.text(max_size=30))
@settings(max_examples=50, deadline=None)
def test_bars_stay_within_their_width(share, start, text):
    import re

    page = bar(share, text, start)
    begin, long = (float(w) for w in re.findall(r"width:([-\d.]+)%", page)[-2:])
    assert 0 <= begin <= 100 and 0 <= long <= 100 and html_faults(page) == []


# explore


@given(
    st.sampled_from(["hybrid", "dense", "sparse"]),
    st.sampled_from(["scores", "ranks"]),
    st.lists(st.tuples(st.sampled_from(["dense_weight", "document_weight"]), st.integers(0, 20)), max_size=4),
    st.integers(1, 6),
    st.booleans(),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[TOO_BAD])
def test_explorer_shows_what_a_search_finds(rag, mode, fusion, weights, top_k, why):
    view = explore(rag, QUERIES["q1"]).set(mode=mode, fusion=fusion, top_k=top_k, why=why)
    for name, twentieth in weights:
        view.set(**{name: twentieth / 20})
        assert getattr(view.settings, name) == twentieth / 20
    assert not view.error and view.settings.dense_weight + view.settings.document_weight <= 1
    with opened(rag.store.folder, Slow(), (), **{"top_k": 3} | view.changes) as same:
        assert same.search(QUERIES["q1"]) == view.hits
    assert html_faults(view._repr_html_()) == []
    for hit in view.hits:
        for signal in hit.signals.values():
            assert f"#{signal.rank}" in view._repr_html_()


def test_controls_and_state_are_one(rag):
    view = explore(rag, QUERIES["q1"], live=True)
    parts = (view.widget, view._parts)[1]
    parts["dense_weight"].value = 0.9
    assert parts["document_weight"].value == view.settings.document_weight == 0.1
    view.set(mode="sparse")
    assert parts["mode"].value == "sparse" and parts["fusion"].disabled
    before = parts["page"].value
    parts["question"].value = QUERIES["q2"]
    assert view.hits[0].chunk.source == "bridge.txt" and parts["page"].value != before
    parts["answer"].click()
    assert view.answer is not None and "confidence" in parts["page"].value
    parts["mode"].value = "dense"
    assert view.answer is None  # it was an answer to something else


def test_explorer_shows_errors(rag, tmp_path):
    with opened(tmp_path / "empty", documents=()) as empty:
        assert "ingest documents first" in explore(empty, "anything?")._repr_html_()
    long = explore(rag, "a" * 9_000)
    assert long.error and "role='alert'" in long._repr_html_()
    with opened(tmp_path / "fails", Slow(fails=True)) as fails:
        view = explore(fails, QUERIES["q1"])
        assert "broke" in view.ask()._repr_html_() and view.hits
    with pytest.raises(InputError):
        explore(rag).set(dense_weight="much")


def test_explorer_finds_only_what_the_asker_may_read(tmp_path):
    documents = (
        Document.of("Herons eat fish.", "open.txt"),
        Document.of("Herons eat gold.", "shut.txt", access=("ann",)),
    )
    with opened(tmp_path / "store", Slow(), documents) as rag:
        found = explore(rag, "What do herons eat?")
        assert [h.chunk.source for h in found.hits] == ["open.txt"] and "gold" not in found._repr_html_()
        assert "gold" in explore(rag, "What do herons eat?", principals=("ann",))._repr_html_()
        assert "gold" not in repr(judge(rag, ["What do herons eat?"], tmp_path / "j.jsonl").found)


# judge


@pytest.fixture
def path(tmp_path):
    return tmp_path / "judgements.jsonl"


@given(st.lists(st.sampled_from(["0", "1", "2", "s", "undo", "again"]), max_size=25))
@example(["s", "1", "again", "undo"])  # what was skipped before comes after what is taken back
@example(["1", "undo", "s"])
@settings(max_examples=15, deadline=None, suppress_health_check=[TOO_BAD])
def test_whatever_is_done_is_in_the_file(rag, tmp_path_factory, actions):
    path = tmp_path_factory.mktemp("judged") / "j.jsonl"
    how = {"depth": 3, "systems": {m: {"mode": m} for m in ("dense", "sparse")}}
    view, known, order = judge(rag, QUERIES, path, **how), {}, []
    for action in actions:
        pair = next(iter(view.open), None)
        if action == "again":
            view = judge(rag, QUERIES, path, **how)
        elif action == "undo":
            view.undo()
            if order:
                known.pop(gone := order.pop())
                assert view.open[0] == gone
        elif action == "s":
            view.skip()
            assert not pair or view.open[-1] == pair
        elif pair:
            view.grade(int(action))
            known[pair] = int(action)
            order.append(pair)
        assert dict(view.graded) == known
        assert {*view.open} == {*view.pairs} - {*known}
    assert dict(judge(rag, QUERIES, path, **how).graded) == known
    if known:
        grades = read_judgements(path).grades
        assert {(q, d): g for q, found in grades.items() for d, g in found.items()} == known


def test_a_torn_line_costs_one_grade(rag, path):
    judge(rag, QUERIES, path, depth=3).grade(2).grade(1)
    path.write_bytes(path.read_bytes()[:-9])
    view = judge(rag, QUERIES, path, depth=3)
    assert [*view.graded.values()] == [2]
    view.grade(0)
    assert [*judge(rag, QUERIES, path, depth=3).graded.values()] == [2, 0]


def test_a_file_that_is_something_else_is_refused(rag, path):
    path.write_text("[1, 2]\n{}\n")
    with pytest.raises(InputError, match="line 1"):
        judge(rag, QUERIES, path)
    path.write_text("no json\n{}\n")
    with pytest.raises(InputError, match="line 1"):
        read_judgements(path)
    path.write_text("")
    with pytest.raises(InputError, match="no judgements"):
        read_judgements(path)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux'")
def test_a_grade_that_cannot_be_written_does_not_count(rag, path):
    view = judge(rag, QUERIES, path, depth=3)
    path.unlink()
    path.symlink_to("/dev/full")
    open_before = view.open
    view.grade(2)
    assert view.open == open_before and not view.graded
    assert "make room" in view._repr_html_() and "role='alert'" in view._repr_html_()
    path.unlink()
    assert view.grade(2).graded and not view.error


def test_judging_is_blind(rag, path):
    view = judge(rag, QUERIES, path, depth=3, live=True)
    parts = (view.widget, view._parts)[1]
    seen = []
    while view.open:
        page = parts["page"].value
        assert not any(word in page for word in ("dense", "sparse", "hybrid", "reranked", "score", "rank"))
        seen.append(view.open[0])
        parts["grades"][0].click()
    one, other = (
        {"a": {"mode": "dense"}, "b": {"mode": "sparse"}},
        {"b": {"mode": "sparse"}, "a": {"mode": "dense"}},
    )
    orders = [
        judge(rag, QUERIES, path.with_name(n), systems=s, depth=3).pairs
        for n, s in (("1", one), ("2", other))
    ]
    assert orders[0] == orders[1] and {*seen} >= {*orders[0]}
    ranked = ranked_documents(rag.search(QUERIES["q1"], mode="dense", top_k=9))
    assert [d for q, d in seen if q == "q1"] != ranked  # fixed by the ids, so never by chance


def test_keys_grade_once(rag, path):
    view = judge(rag, QUERIES, path, depth=3, live=True)
    keys = (view.widget, view._parts["keys"])[1]
    for typed in ("2", "20", "20s", "20sx", "20sx9"):  # x is no key, 9 no grade
        keys.value = typed
    assert [*view.graded.values()] == [2, 0] and len(view.skipped) == 1
    keys.value = "20sx"
    assert [*view.graded.values()] == [2]
    keys.value = ""  # all of it deleted at once
    assert [*view.graded.values()] == [2]
    keys.value = "12"  # two keys that came together
    assert [*view.graded.values()] == [2, 1, 2]


def test_judgements_score_a_ranking(rag, path):
    view = judge(rag, QUERIES, path, depth=3, by="ann")
    while view.open:
        query, document = view.open[0]
        view.grade(2 if document == {"q1": "herons.txt", "q2": "bridge.txt"}[query] else 0)
    run = Run("sparse", {q: ranked_documents(rag.search(t, mode="sparse")) for q, t in QUERIES.items()})
    assert evaluate(run, view.qrels, ["nDCG@3"]).mean["nDCG@3"] > 0.6
    assert view.qrels.judged_by == "ann" and view.qrels.depth == 3 and "sparse" in view.qrels.pool
    simple = replace(
        view.qrels,
        grades={q: {d: g for d, g in f.items() if " " not in d} for q, f in view.qrels.grades.items()},
    )
    write_trec_qrels(simple, path.with_suffix(".qrels"))
    assert read_trec_qrels(path.with_suffix(".qrels"), "ann").grades == simple.grades
    assert html_faults(view._repr_html_()) == [] and "100%" in view._repr_html_()


def test_two_judges_may_share_a_file(rag, path):
    one, other = (judge(rag, QUERIES, path, depth=3, by=who) for who in ("ann", "bob"))
    threads = [threading.Thread(target=lambda v=v: [v.grade(1) for _ in v.pairs]) for v in (one, other)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    told = read_judgements(path)
    assert len(told) == len(one.pairs) and set(told.judged_by.split(", ")) == {"ann", "bob"}


@pytest.mark.parametrize(
    "wrong", [{"queries": []}, {"queries": "why?"}, {"grades": ("one",)}, {"grades": "01"}]
)
def test_judge_refuses(rag, path, wrong):
    with pytest.raises(InputError):
        judge(rag, **{"queries": QUERIES, "path": path} | wrong)


# side by side, traces


def test_sides_are_asked_and_differ(rag):
    view = compare({"mode": "dense"}, {"mode": "sparse", "top_k": 1}, QUERIES["q1"], rag=rag, live=True)
    assert len(view.sides[1].hits) == 1 and rag.settings.mode == "hybrid" and rag.cache is not None
    question, answer, page = (view.widget, *(view._parts[k] for k in ("question", "answer", "page")))[1:]
    assert "only here" in page.value
    answer.click()
    assert all(s.answer for s in view.sides)
    question.value = QUERIES["q2"]
    assert not any(s.answer for s in view.sides) and "bridge" in page.value
    assert html_faults(view._repr_html_()) == []


def test_one_side_that_fails_leaves_the_other(rag, tmp_path):
    with opened(tmp_path / "empty", documents=()) as empty:
        view = compare(rag, empty, QUERIES["q1"])
        assert view.sides[0].hits and "ingest documents first" in view._repr_html_()


@pytest.mark.parametrize(("a", "b"), [(1, 2), ({}, {}), (Hits(), Settings())])
def test_compare_refuses(a, b):
    with pytest.raises(InputError):
        compare(a, b)


def test_secrets_in_settings_are_not_shown(rag):
    mine = replace(rag.settings, limit_storage="redis://:secret@host", tracking_uri="http://ann:secret@host")
    assert "secret" not in compare(rag.settings, mine, rag=rag)._repr_html_()


def test_trace_accounts_for_the_time(rag):
    answer = rag.ask(QUERIES["q1"])
    page = trace(answer, prices=(1.0, 2.0))._repr_html_()
    cost = (answer.usage.prompt_tokens + 2 * answer.usage.answer_tokens) / 1e6
    assert f"{cost:,.4g} USD" in page and f"{answer.timings['total']:,.1f} ms" in page
    for stage, name in {"search": "retrieve", "generate": "generate", "check": "verify"}.items():
        assert name in page and f"{answer.timings[stage]:,.1f} ms" in page
    assert page.count("<path") == len(answer.citations) + sum(len(s.citations) for s in answer.sentences)
    for wrong in ((1.0,), (-1.0, 0.0), (float("nan"), 1.0)):
        with pytest.raises(InputError):
            trace(answer, prices=wrong)


# watch


def named(name: str) -> int:
    return sum(t.name == name for t in threading.enumerate())


@pytest.mark.slow  # MLflow takes its time to make a file
def test_a_watch_of_mlflow_ends_with_its_run(tmp_path):
    mine = Settings(tracking_uri=f"sqlite:///{tmp_path}/runs.db")
    with track("herons", mine, {"estimate": "3 steps"}, spool=tmp_path / "spool", every=0.05) as run:
        view = watch(run, mine, every=0.05, live=True)
        for n in range(1, 4):
            run.step(n, {"loss": 1 / n, "dev_loss": 2 / n})
        assert until(lambda: view.seen.step == 3) and view.seen.total == 3 and view.watching
        run.finish()
    assert until(lambda: not view.watching) and view.seen.status == "FINISHED"
    assert until(lambda: not named("liquid_ai-watch"))
    again = watch(run.run_id, mine, live=True)
    assert again.seen == view.seen and not again.watching
    assert "finished" in again._repr_html_() and "step 3 of 3" in again._repr_html_()
    with pytest.raises(LiquidError):
        watch("no-such-run", mine)


def test_a_watch_ends_with_its_run():
    from liquid_ai.demo.watch import RunView, Seen

    state = {"status": "RUNNING", "curves": {"loss": [(1, 2.0)]}}
    view = RunView(lambda: Seen("run", **state), 0.02, live=True)
    assert view.watching
    state = {"status": "FINISHED", "curves": {"loss": [(1, 2.0), (2, 1.0)]}}
    assert until(lambda: not view.watching) and view.seen.step == 2 and "finished" in view._repr_html_()
    assert until(lambda: not named("liquid_ai-watch"))


def test_nobody_looks_when_nobody_holds_the_view():
    rows = [{"step": 1, "loss": 2.0}]
    view = watch(rows, every=0.02, live=True)
    assert view.watching and view.widget is not None
    view.widget.close_all()
    del view
    assert until(lambda: gc.collect() >= 0 and not named("liquid_ai-watch"))


def test_stopping_is_at_once():
    view = watch([{"step": 1, "loss": 2.0}], every=60, live=True)
    began = time.monotonic()
    view._build()
    view.stop()
    assert not view.watching and time.monotonic() - began < 2 and "loss" in view._repr_html_()


def test_a_server_that_goes_is_looked_for_again():
    from liquid_ai.demo.watch import RunView, Seen

    looks = []

    def read():
        looks.append(1)
        if 2 <= len(looks) <= 4:
            raise ConnectionError("http://ann:secret@host is gone")
        return Seen("run", "RUNNING", {"loss": [(len(looks), 1.0)]})

    view = RunView(read, 0.01, live=True)
    assert until(lambda: "gone" in view.error) and "secret" not in view._repr_html_()
    assert until(lambda: not view.error and view.seen.step > 4)
    view.stop()


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=9),
        st.lists(
            st.tuples(st.integers(0, 10**6), st.floats(allow_nan=False, allow_infinity=False)), min_size=1
        ),
        max_size=3,
    ),
    st.booleans(),
    st.floats(0, 1),
)
@settings(deadline=None)
def test_any_curve_is_drawn(curves, log, smooth):
    from liquid_ai.demo.watch import chart

    drawn = chart({n: sorted(c) for n, c in curves.items()}, log, smooth)
    assert html_faults(drawn) == [] and "nan" not in drawn.split("</title>")[-1]


def test_a_view_has_to_say_what_it_shows():
    with pytest.raises(NotImplementedError):
        View(False).still()
