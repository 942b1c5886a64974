"""The demo's tabs beside the chat (compare, explain, dashboard, runs), as functions and in a browser."""

import json
import math
import random
import socket
import sys
from collections import deque
from dataclasses import replace
from types import SimpleNamespace

import pytest
from browser import PHONE, Watched, chromium, serious, too_wide
from hypothesis import given
from hypothesis import strategies as st
from served import QUESTION, Slow, opened

from liquid_ai.core import Document, Event, InputError, LiquidError, Settings, StoreError, Usage
from liquid_ai.demo import charts, compare, dashboard, duel, explain_tab, parts, runs, show, votes
from liquid_ai.evaluation.feedback import FeedbackStore
from liquid_ai.metrics.alerts import Alerts
from liquid_ai.metrics.detect import Alert
from liquid_ai.metrics.monitor import Monitor
from liquid_ai.training.preference_pairs import preference_pairs
from liquid_ai.training.track import track

EVIL = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>\'"&'
BAD = [
    Document.of(
        f"Grey herons eat fish and frogs. {EVIL} They stand still for hours.", f"{EVIL}.txt", title=EVIL
    ),
    Document.of("The iron bridge was built by Abraham Darby in 1779.", "bridge.txt"),
]


def harmless(shown: str) -> None:
    "No tag of `EVIL` is a tag."
    assert "<img" not in shown and "<script" not in shown
    assert "&lt;img" in shown or "onerror" not in shown


@pytest.fixture(scope="module")
def rag(tmp_path_factory):
    model = Slow()
    with opened(tmp_path_factory.mktemp("tabs") / "store", model, BAD, answer_tokens=40) as found:
        yield found


@pytest.fixture
def feedback(tmp_path):
    store = FeedbackStore(tmp_path / "feedback.db")
    yield store
    store.close()


def duel_of(rag, **other) -> duel.Duel:
    one, two = (
        duel.side_settings(rag.settings),
        duel.side_settings(rag.settings, **({"top_k": 1} | other)),
    )
    return duel.hold_duel(rag, QUESTION, one, two, random.Random(1))


# charts


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_ticks_hold_what_they_are_for(low, width):
    marks, slack = charts.ticks(low, low + width), 1e-8 * width + 1e-6 * abs(low)
    assert marks == sorted(marks) and 2 <= len(marks) <= 8 and marks[0] < marks[-1]
    assert marks[0] <= low + slack and marks[-1] >= low + width - slack


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(allow_nan=True)), max_size=2_000))
def test_a_thinned_line_is_short_and_keeps_its_ends(points):
    points = sorted(points, key=lambda p: p[0])
    finite = [y for _, y in points if math.isfinite(y)]
    kept = charts.thinned(points, 100)
    assert len(kept) <= 100 and [x for x, _ in kept] == sorted(x for x, _ in kept)
    assert {min(finite), max(finite)} <= {y for _, y in kept} if finite else not kept


@pytest.mark.parametrize(
    "points", [[(1, 5.0)], [(0, 0.0), (1, 0.0)], [(0, math.nan)], [(3, -1.0), (4, math.inf)], []]
)
def test_odd_lines_are_drawn_or_left_out(points):
    for log in (False, True):
        shown = charts.lines_html({"loss": points}, "Loss", log=log)
        assert "nan" not in shown and "inf" not in shown
    assert bool(charts.lines_html({"loss": points}, "Loss")) == any(math.isfinite(y) for _, y in points)


def test_names_in_charts_are_text():
    shown = charts.lines_html({EVIL: [(0, 1.0), (1, 2.0)]}, EVIL, x=EVIL, y=EVIL, dots={EVIL})
    harmless(shown + parts.table_html(EVIL, [EVIL], [["a"]]))


def test_without_gradio_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(LiquidError, match=r"pip install 'liquid_ai\[demo\]'"):
        runs.runs_tab(Settings())


# compare


def test_sides_are_asked_as_they_say_and_shown_blind(rag):
    held = duel_of(rag, mode="sparse")
    by_mode = {s["mode"]: a for s, a in zip(held.settings, held.answers, strict=True)}
    assert len(by_mode["sparse"].hits) == 1 and len(by_mode["hybrid"].hits) > 1
    for answer in held.answers:
        shown = compare.blind_html(answer, "A", rag)
        harmless(shown)
        for word in ("hybrid", "sparse", "passages read", " ms", "tokens", "confidence", "cache"):
            assert word not in shown
    assert {a.cache.kind for a in held.answers} == {"miss"}


def test_either_side_may_stand_left(rag):
    one, two = duel.side_settings(rag.settings), duel.side_settings(rag.settings, mode="dense")
    duels = [duel.hold_duel(rag, QUESTION, one, two, random.Random(n)) for n in range(6)]
    lefts = {d.settings[0]["mode"] for d in duels}
    assert lefts == {"hybrid", "dense"} and {d.swapped for d in duels} == {True, False}
    assert all(d.swapped == (d.settings[0]["mode"] == "dense") for d in duels)


@pytest.mark.parametrize(
    "chosen",
    [
        {"generator": "/etc/passwd"},
        {"rerank": "somebody/model"},
        {"mode": "all"},
        {"top_k": 10_000},
        {"top_k": True},
        {"answer_tokens": 41},
        {"tracking_uri": "http://evil"},
    ],
)
def test_a_page_cannot_choose_everything(rag, chosen):
    with pytest.raises(InputError):
        duel.side_settings(rag.settings, **chosen)


def test_folders_of_models_are_not_told():
    told = duel.told_settings(Settings(generator="/home/ann/models/secret-bot", rerank="~/rank"))
    assert told["generator"] == "secret-bot" and told["rerank"] == "rank"
    with pytest.raises(InputError) as e:
        duel.side_settings(Settings(generator="/home/ann/models/secret-bot"), generator="other")
    assert "/home" not in str(e.value)


@pytest.mark.parametrize("verdict", votes.VOTES)
def test_a_vote_becomes_the_pair_that_training_reads(rag, feedback, verdict):
    held = duel_of(rag)
    left, right = (
        replace(a, text=t) for a, t in zip(held.answers, ("Fish and frogs.", "Berries."), strict=True)
    )
    held = replace(held, answers=(left, right))
    vote = votes.keep_vote(feedback, held, verdict, "ann")
    assert votes.keep_vote(feedback, held, verdict, "ann").duel == vote.duel  # a second click
    pairs = preference_pairs(feedback.rows()).pairs
    wanted = {"left": [("Fish and frogs.", "Berries.")], "right": [("Berries.", "Fish and frogs.")]}
    assert [(p.chosen, p.rejected) for p in pairs] == wanted.get(verdict, [])
    assert all(QUESTION in p.prompt[-1]["content"] for p in pairs)
    [read] = votes.votes_of(feedback.rows())
    assert (read.better, read.labels, read.verdict) == (vote.better, vote.labels, verdict)
    harmless(compare.reveal_html(held, verdict) + votes.tally_html([read]))


def test_a_vote_that_is_none_is_refused(rag, feedback):
    with pytest.raises(InputError, match="no vote"):
        votes.keep_vote(feedback, duel_of(rag), "up")
    assert feedback.rows() == []


@pytest.mark.parametrize(
    "comment",
    [
        "good answer",
        '{"compare"',
        '{"compare": "x"}',
        '{"compare": ["x"], "side": "left", "vote": "left", "settings": {}}',
        '{"compare": "x", "side": ["left"], "vote": "left", "settings": {}}',
        '{"compare": "x", "side": "left", "vote": ["left"], "settings": {}}',
        '{"compare": "x", "side": "left", "vote": "left", "settings": []}',
        '{"compare":' * 2_000,
        json.dumps({"compare": "x", "side": "left", "vote": "left", "settings": {"mode": EVIL}}),
    ],
)
def test_comments_of_strangers_are_no_votes(rag, feedback, comment):
    answer = duel_of(rag).answers[0]
    feedback.remember(answer)
    feedback.add(answer.trace_id, "up", comment[:4_000])
    read = votes.votes_of(feedback.rows())
    assert read == []
    harmless(votes.tally_html(read))


def test_forged_settings_are_shown_as_text():
    forged = votes._vote("x", EVIL, "left", votes.label({"mode": EVIL}), "dense", 0.0)
    harmless(votes.tally_html([forged]))


def test_votes_on_one_question_count_as_one():
    def vote(n, question, better):
        return votes.Vote(str(n), question, better, ("A", "B"), "left", 0.0)

    once = votes.tally([vote(n, "Why?", "A") for n in range(50)], "A", "B")
    assert (once.wins, once.losses, once.p) == (1, 0, 1.0) and once.interval[0] < 0.03
    many = [vote(n, f"Why {n}?", "A") for n in range(10)]
    found = votes.tally([*many, vote(98, "why  9?", "B"), vote(99, "WHY 8?", "")], "A", "B")
    assert (found.wins, found.losses, found.ties) == (9, 0, 1) and found.p == pytest.approx(2 / 2**9)
    mirrored = votes.tally(many, "B", "A")
    assert (mirrored.wins, mirrored.losses) == (0, 10) and mirrored.interval[1] < 0.31
    assert "more than chance" in votes.tally_html(many) and "may be chance" in votes.tally_html(many[:5])
    assert votes.tally([], "A", "B") == votes.Standing(0, 0, 0, (0.0, 1.0), 1.0)


def test_a_store_that_cannot_be_written_to_is_compared_all_the_same(rag, monkeypatch):
    gr = pytest.importorskip("gradio")

    def refused(path):
        raise StoreError(f"feedback cannot be kept in {path}")

    monkeypatch.setattr(compare, "FeedbackStore", refused)
    with gr.Blocks(analytics_enabled=False) as page:
        compare.compare_tab(rag)
    told = [f.fn for f in page.fns.values() if f.fn.__name__ == "said"]
    shown = told[0](duel_of(rag), SimpleNamespace(username=None))
    assert "Votes are not kept here" in shown[0] and "You preferred A" in shown[2]


# explain


def test_ranks_and_terms_are_those_of_the_explanation(rag):
    found = rag.explain(QUESTION)
    shown = explain_tab.ranking_html(found)
    harmless(shown)
    for reason in found.reasons:
        for opinion in reason.opinions:
            assert f"#{opinion.rank}</b>" in shown and f"{opinion.score:.3f}" in shown
        assert all(show.safe(term) in shown for term in list(reason.terms)[:8])


def test_an_answer_is_taken_apart(rag):
    answer = rag.ask(QUESTION, cache=False)
    calls = []
    found = explain_tab.without_each(rag, answer, lambda done, all: calls.append((done, all)))
    assert len(found.influences) == len(answer.hits) and calls[-1] == (len(answer.hits), len(answer.hits) + 1)
    shown = explain_tab.origins_html(found) + explain_tab.influence_html(found)
    harmless(shown)
    assert "words that change" in shown and f"{found.origins[0].support:.2f}" in shown


# dashboard


def asked(monitor: Monitor, n: int = 20) -> Monitor:
    for i in range(n):
        timings = {"search": 5.0, "generate": 100.0 + i, "total": 110.0 + i}
        monitor.observe(Event("ask", "abstained" if i % 5 == 0 else "ok", timings, Usage(100, 10), "miss"))
    monitor.observe(Event("ask", "ok", {"total": 0.2}, Usage(100, 10), "exact"))
    return monitor


def test_before_the_first_request_the_page_says_so():
    shown = dashboard.dashboard_html(Monitor(), deque(maxlen=9))
    assert "No request yet" in shown and "Nobody watches" in shown


def test_figures_are_the_monitors():
    monitor = asked(Monitor(price_in=1_000, price_out=2_000))
    shown = dashboard.dashboard_html(monitor, deque(maxlen=9), Alerts())
    told = monitor.reference()
    for figure in (
        "21 questions",
        "1 of 21 answers",
        f"{charts.number(told['saved_cost'])} USD",
        "110 tokens",
    ):
        assert figure in shown
    assert "Nothing unusual" in shown and "errors, abstained" in shown
    names = [s.name for s in dashboard.stages_of(monitor.collect())]
    assert names == ["ask, whole", "generate", "search"]


@given(st.lists(st.floats(1e-5, 50), min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 0.99]))
def test_quantiles_lie_in_the_bucket_of_the_true_one(seconds, share):
    from liquid_ai.metrics.instruments import SECONDS

    ends = [*SECONDS, math.inf]
    buckets = [(end, float(sum(s <= end for s in seconds))) for end in ends]
    true = sorted(seconds)[math.ceil(share * len(seconds)) - 1]
    at = next(i for i, end in enumerate(ends) if true <= end)
    low = ends[at - 1] if at else 0.0
    assert low - 1e-12 <= dashboard.bucket_quantile(buckets, share) <= ends[at] + 1e-12


def test_looks_are_bounded_and_a_counter_that_restarts_is_no_negative_load():
    beats = deque(maxlen=5)
    for n in range(50):
        dashboard.look(beats, {"total_requests": 3 * n if n < 48 else 0, "total_errors": 0}, 2.0 * n)
    assert len(beats) == 5 and [r for _, r in dashboard.rates(beats)] == [90.0, 90.0, 0.0, 0.0]


def test_alerts_are_text():
    shown = dashboard.alerts_html([Alert(EVIL, math.inf, 0.1, 0.0, EVIL)], [EVIL])
    harmless(shown + dashboard.alerts_html([], [EVIL]))
    assert "1 alert" in shown


# runs


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    home = tmp_path_factory.mktemp("runs")
    settings = Settings(tracking_uri=f"sqlite:///{home}/runs.db")
    for name, fall in (("rank 8", 0.97), (EVIL, 0.95)):
        with track(name, settings, spool=home / "spool", experiment=EVIL) as run:
            for step in range(1, 31):
                looks = {"dev_loss": 2.3 * fall**step} if step % 10 == 0 else {}
                run.step(step, {"loss": 2.2 * fall**step, "learning_rate": 2e-4 * (1 - step / 30)} | looks)
    return settings


def test_runs_and_their_curves_are_read(tracked):
    found = runs.read_runs(tracked)
    assert [(r.name, r.status) for r in found] == [(EVIL, "FINISHED"), ("rank 8", "FINISHED")]
    curves = runs.read_curves(tracked, [r.id for r in found])
    assert [len(curves[found[1].id][n]) for n in runs.CURVES] == [30, 3, 30]
    assert curves[found[1].id]["loss"][0] == (1.0, pytest.approx(2.2 * 0.97))
    harmless(runs.runs_html(found) + runs.curves_html(curves, {r.id: r.name for r in found}))
    assert runs.read_adapters(tracked) == []


def test_looking_makes_no_database(tmp_path):
    settings = Settings(tracking_uri=f"sqlite:///{tmp_path}/none.db")
    assert (
        runs.read_runs(settings) == runs.read_adapters(settings) == []
        and runs.read_curves(settings, ["x"]) == {}
    )
    assert list(tmp_path.iterdir()) == []
    assert "No runs yet" in runs.runs_html([])


def test_a_server_that_is_gone_is_told_without_its_password(caplog):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    settings = Settings(tracking_uri=f"http://ann:secret@127.0.0.1:{port}/mlflow")
    with pytest.raises(LiquidError) as e:
        runs.read_runs(settings)
    shown = runs.failure_html(e.value, settings)
    for text in (shown, str(e.value), caplog.text):
        assert "secret" not in text
    assert f"http://127.0.0.1:{port}" in shown and "does not answer" in shown


@pytest.mark.parametrize(
    "uri", ["http://[", "http://ann:secret@host:port/", "postgresql://ann:secret@db/x", "databricks"]
)
def test_odd_addresses_give_nothing_away(uri):
    assert "secret" not in runs.told_place(uri)


def test_a_file_that_is_no_database_is_told_without_its_path(tmp_path):
    path = tmp_path / "runs.db"
    path.write_bytes(b"no database" * 100)
    settings = Settings(tracking_uri=f"sqlite:///{path}")
    with pytest.raises(LiquidError) as e:
        runs.read_runs(settings)
    assert str(tmp_path) not in runs.failure_html(e.value, settings)


def test_two_runs_of_one_name_are_told_apart():
    curves = {"a" * 32: {"loss": [(1.0, 2.0)]}, "b" * 32: {"loss": [(1.0, 3.0)]}}
    shown = runs.curves_html(curves, dict.fromkeys(curves, "same"))
    assert "same (aaaaaa)" in shown and "same (bbbbbb)" in shown
    assert "have no curve" in runs.curves_html({"a": {}}, {"a": "x"})


def test_adapters_of_strangers_are_text():
    row = runs.Registered(EVIL, 1, EVIL, True, True, 0.0)
    harmless(runs.adapters_html([row]))


# in a browser


@pytest.fixture(scope="module")
def seen(rag, tracked, tmp_path_factory):
    "The four tabs in Chromium; afterwards nothing may have gone elsewhere, and no fault been told."
    gr = pytest.importorskip("gradio")
    from liquid_ai.demo.app import looks

    feedback, monitor = FeedbackStore(tmp_path_factory.mktemp("votes") / "feedback.db"), Monitor()
    with gr.Blocks(analytics_enabled=False, fill_width=True) as demo:
        with gr.Tab("Compare"):
            compare.compare_tab(rag, feedback=feedback, observe=monitor.observe, places=rag.limiter)
        with gr.Tab("Explain"):
            explain_tab.explain_tab(rag, observe=monitor.observe, places=rag.limiter)
        with gr.Tab("Dashboard"):
            dashboard.dashboard_tab(rag, monitor, alerts=Alerts())
        with gr.Tab("Runs"):
            runs.runs_tab(tracked)
    how = {"prevent_thread_lock": True, "quiet": True, "share": False, "ssr_mode": False}
    _, url, _ = demo.launch(server_name="127.0.0.1", **how, **looks(gr))
    with chromium() as browser:
        watched = Watched(browser, url)
        watched.open().set_default_timeout(60_000)  # a machine may be busy
        yield SimpleNamespace(page=watched.page, feedback=feedback, monitor=monitor)
        assert watched.page.evaluate("window.hurt") is None
        watched.context.close()
        watched.clean()
    demo.close()
    feedback.close()


def turned(page, name: str):
    "The page with this tab open."
    page.get_by_role("tab").first.wait_for()
    tab = page.get_by_role("tab", name=name)
    if not tab.count():  # behind the dots, where the screen is narrow
        page.get_by_role("button", name="More tabs").click()
        tab = page.locator(".overflow-dropdown").get_by_role("button", name=name)
    tab.first.click()
    return page


def test_compare_and_vote_in_a_browser(seen):
    page = turned(seen.page, "Compare")
    page.get_by_label("Ask both sides").fill(QUESTION)
    page.get_by_role("button", name="Answer twice").click()
    page.get_by_role("heading", name="Answer B").wait_for()
    assert " ms" not in page.locator("#la-answer-a").inner_text()
    assert serious(page) == []
    page.get_by_role("button", name="A is better").click()
    page.get_by_role("heading", name="You preferred A").wait_for()
    assert " ms" in page.get_by_role("table").first.inner_text()
    page.locator("#la-tally", has_text="preferred on 1 of 1 decided").wait_for()
    assert len(votes.votes_of(seen.feedback.rows())) == 1
    assert not page.get_by_role("button", name="A is better").is_visible()
    assert serious(page) == []


def test_explain_shows_ranks_and_influence_in_a_browser(seen):
    page = turned(seen.page, "Explain")
    page.get_by_label("Explain", exact=True).last.fill(QUESTION)
    page.get_by_role("button", name="Answer, and explain").click()
    page.locator("#la-ranking", has_text="#1").wait_for()
    page.locator("#la-origins", has_text="support").wait_for()
    page.get_by_role("button", name="Leave each passage out").click()
    page.locator("#la-influence", has_text="words that change").wait_for()
    assert serious(page) == []


def test_dashboard_counts_a_request_in_a_browser(seen):
    page = turned(seen.page, "Dashboard")
    before = seen.monitor.reference()["total_requests"]
    seen.monitor.observe(Event("ask", "ok", {"search": 3.0, "total": 9.0}, Usage(10, 5), "miss"))
    page.locator("#la-dashboard .la-value").first.get_by_text(str(before + 1), exact=True).wait_for()
    assert serious(page) == []


def test_runs_show_a_curve_in_a_browser(seen):
    page = turned(seen.page, "Runs")
    page.locator("#la-curves .la-figure path").nth(1).wait_for()
    assert page.locator("#la-runs tbody tr").count() == 2
    assert serious(page) == []


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_is_wider_than_the_screen(seen, dark):
    seen.page.set_viewport_size(PHONE)
    seen.page.evaluate(f"document.body.classList.toggle('dark', {str(dark).lower()})")
    for name in ("Compare", "Explain", "Dashboard", "Runs"):
        page = turned(seen.page, name)
        assert too_wide(page) <= 0, name
        page.wait_for_timeout(400)  # colours fade over
        assert serious(page) == [], name
