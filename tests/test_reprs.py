"What calls return shows itself: in a few plain lines, and in HTML that is safe and small, in light and dark."

import html.parser
import re
from pathlib import Path

import numpy as np
import pytest
from browser import chromium

from liquid_ai import RAG, Document
from liquid_ai.core import Answer, Citation, Hit, Hits, Sentence, Settings, Signal, Usage, chunk_document
from liquid_ai.demo.side_by_side import compare as beside
from liquid_ai.demo.trace_view import trace
from liquid_ai.demo.watch import watch
from liquid_ai.evaluation.abstention import abstention_scores
from liquid_ai.evaluation.compare import compare
from liquid_ai.evaluation.latency import Latency, Ratio, Variant
from liquid_ai.evaluation.ranking import Qrels, Run, evaluate
from liquid_ai.evaluation.results import Sweep, Trial
from liquid_ai.evaluation.traffic import SequentialTest, sample_ratio
from liquid_ai.generation.cache import Cache
from liquid_ai.generation.conversation import Conversation
from liquid_ai.generation.influence import explain_answer
from liquid_ai.indexing.store import Store
from liquid_ai.ingestion.load import FileRow, IngestReport
from liquid_ai.metrics.monitor import Monitor
from liquid_ai.training.cleaning import CleaningReport
from liquid_ai.training.dataset import Dataset
from liquid_ai.training.formats import Sample
from liquid_ai.training.gate import judge as judge_gate
from liquid_ai.training.options import TrainOptions
from liquid_ai.training.qlora import Trained
from liquid_ai.training.registry import Version
from liquid_ai.training.sweep import TrainSweep

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"
LINES, CHARS, BYTES = 60, 9_000, 60_000


def evil_answer(hits=3) -> Answer:
    document = Document.of(f"{EVIL} Herons eat fish.", EVIL, title=EVIL)
    [chunk] = chunk_document(document, [(0, len(document.text), (EVIL,))])
    found = Hits(
        Hit(chunk, 1 / n, n, {"dense": Signal(n, 0.5), "<b>": Signal(1, 2.0)}) for n in range(1, hits + 1)
    )
    cited = Citation(1, chunk.id, document.id, 0, len(EVIL), EVIL, EVIL, EVIL)
    said = Sentence(0, len(EVIL), 0.9, True, (1,)), Sentence(len(EVIL), len(EVIL) + 4, 0.1, False)
    return Answer(
        EVIL,
        f"{EVIL} no.",
        (cited,),
        said,
        found,
        0.8,
        reason=EVIL,
        usage=Usage(10, 3),
        timings={EVIL: 5.0, "search": 3.0, "total": 9.0},
        versions={EVIL: EVIL, "model": EVIL},
    )


def comparison():
    rng = np.random.default_rng(0)
    return compare({EVIL: rng.random(30), "b": rng.random(30)}, metric=EVIL, times=200)


def scores():
    qrels = Qrels({EVIL: {EVIL: 1}, "q": {"d": 1}}, f"by {EVIL}", (EVIL, "x"), 2)
    return evaluate(Run(EVIL, {EVIL: [EVIL], "q": ["d"]}), qrels, ["nDCG@10"])


def sweep():
    trials = tuple(Trial(n, {"mode": n}, Settings(), scores()) for n in (EVIL, "b"))
    return Sweep(EVIL, {}, "nDCG@10", trials, comparison(), latency(), (EVIL,))


def latency():
    variants = tuple(Variant(n, 1.0, (0.9, 1.1), 2.0, (1.8, 2.2), 9.0) for n in (EVIL, "b"))
    return Latency(variants, (Ratio(EVIL, "b", 1.0, (0.9, 1.1), "tie"),), 5, 5, 1, 0.95, 0.05, EVIL, {})


def gate(better=True):
    before, after = [0.1, 0.2] * 30, [0.6, 0.9] * 30
    task = {m: {"before": before, "after": after if better else before} for m in ("f1", "exact")}
    return judge_gate(task, {"f1": {"before": before, "after": before}}, facts={"adapter": EVIL})


def trained(history=({"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}, {"step": 2, "dev_loss": 1.5})):
    report = {"base": EVIL, "data": EVIL * 500, "estimate": EVIL}
    return Trained(Path(EVIL), Path("base"), "hash", TrainOptions(), history, report)


def dataset():
    samples = tuple(Sample.of(EVIL, EVIL, EVIL, EVIL) for _ in range(3))
    report = CleaningReport(9, 3, {EVIL: 6}, {EVIL: (EVIL,)}, {EVIL: (9, 3)}, {EVIL: EVIL})
    return Dataset(samples, samples[:1], (), report)


def train_sweep():
    options = {EVIL: TrainOptions(), "b": TrainOptions()}
    return TrainSweep(options, {}, comparison(), EVIL, comparison(), {EVIL: EVIL})


def version():
    return Version(EVIL, 3, "abc", "def", EVIL, "0123", {"adapter.safetensors": (5, "ff")}, EVIL, "at", True)


def files(n):
    return IngestReport(tuple(FileRow(f"{EVIL}{i}", "failed" if i % 2 else "parsed", EVIL) for i in range(n)))


@pytest.fixture(scope="module")
def rag(tmp_path_factory):
    rag = RAG.open(tmp_path_factory.mktemp("reprs") / "<b>store", generator="packaged", device="cpu")
    texts = {"herons.txt": f"Grey herons eat fish. {EVIL}", "canteen.txt": "The canteen opens at eleven."}
    rag.ingest(*(Document.of(t, n, title=EVIL) for n, t in texts.items()), progress=False)
    with rag:
        yield rag


def talked(rag):
    talk = Conversation(rag)
    talk.history  # noqa: B018
    return talk


SHOWN = {
    "answer": lambda rag: evil_answer(),
    "hits": lambda rag: evil_answer().hits,
    "no hits": lambda rag: Hits(),
    "a thousand hits": lambda rag: evil_answer(1_000).hits,
    "hit": lambda rag: evil_answer().hits[0],
    "chunk": lambda rag: evil_answer().hits[0].chunk,
    "document": lambda rag: Document.of(EVIL * 500, EVIL, title=EVIL, access=(EVIL,)),
    "files": lambda rag: files(5),
    "a thousand files": lambda rag: files(1_000),
    "comparison": lambda rag: comparison(),
    "latency": lambda rag: latency(),
    "sweep": lambda rag: sweep(),
    "ranking": lambda rag: scores(),
    "qrels": lambda rag: Qrels({EVIL: {EVIL: 1}}, EVIL, (EVIL,), 2),
    "run": lambda rag: Run(EVIL, {EVIL: [EVIL]}),
    "abstention": lambda rag: abstention_scores([True, False], [True, False]),
    "ratio": lambda rag: sample_ratio({EVIL: 500, "b": 500}, {EVIL: 0.5, "b": 0.5}),
    "sequential": lambda rag: SequentialTest().update([0.1] * 20, [0.9] * 20),
    "dataset": lambda rag: dataset(),
    "cleaning": lambda rag: dataset().report,
    "sample": lambda rag: Sample.of(EVIL, EVIL, EVIL, EVIL),
    "trained": lambda rag: trained(),
    "trained, no step": lambda rag: trained(()),
    "train sweep": lambda rag: train_sweep(),
    "passed": lambda rag: gate(),
    "refused": lambda rag: gate(False),
    "version": lambda rag: version(),
    "rag": lambda rag: rag,
    "store": lambda rag: rag.store,
    "snapshot": lambda rag: rag.snapshot(),
    "found": lambda rag: rag.search("What do herons eat?"),
    "explained": lambda rag: rag.explain("What do herons eat?"),
    "explained answer": lambda rag: explain_answer(evil_answer()),
    "conversation": talked,
    "cache": lambda rag: Cache(),
    "monitor": lambda rag: Monitor(),
    "traced": lambda rag: trace(evil_answer(), (1.0, 2.0)),
    "side by side": lambda rag: beside(evil_answer(), evil_answer(2)),
    "watched": lambda rag: watch(trained()),
}
VOID = {"br", "hr", "img", "input", "meta", "link", "wbr", "col"}
KNOWN = re.compile(
    "div|span|p|b|i|u|em|strong|small|code|pre|ol|ul|li|table|thead|tbody|tr|th|td|mark|details|summary|"
    "svg|g|path|rect|text|title|line|polyline|circle|br|blockquote"
)
COLOURS = re.compile(
    r"(?<![-\w])(?:color|background(?:-color)?|border(?:-\w+)?|fill|stroke)\s*[:=]\s*['\"]?([^;'\"]*)"
)
FREE = re.compile(
    r"currentcolor|inherit|transparent|none|solid|dashed|dotted|var\(.*\)|[\d.]+(?:px|em|%)?|", re.I
)


class Checked(html.parser.HTMLParser):
    "Finds tags that are not closed, or that no page of ours has."

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.faults, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        if not KNOWN.fullmatch(tag):
            self.faults.append(f"<{tag}>")
        self.faults += [f"{tag} has {n}" for n, _ in attrs if n.startswith("on") or n in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.text.append(data)


def html_faults(text: str) -> list[str]:
    "What is wrong with a page's HTML: tags, colours that stand fast, size."
    page = Checked()
    page.feed(text)
    page.close()
    found = page.faults + [f"<{tag}> is not closed" for tag in page.open]
    for value in COLOURS.findall(re.sub(r"&[#\w]+;", "", "".join(re.findall(r"<[^>]*>", text)))):
        found += [f"the colour {word} stands fast" for word in value.split() if not FREE.fullmatch(word)]
    return found + ([f"{len(text):,} characters"] if len(text) > BYTES else [])


@pytest.mark.parametrize("name", SHOWN)
def test_html_is_safe_small_and_of_no_colour(name, rag):
    assert html_faults(SHOWN[name](rag)._repr_html_()) == []


@pytest.mark.parametrize("name", SHOWN)
def test_plain_text_is_short(name, rag):
    told = repr(SHOWN[name](rag))
    assert told.strip() and " object at 0x" not in told
    assert len(told.splitlines()) <= LINES and len(told) <= CHARS, told[:2_000]


@pytest.mark.parametrize(
    "page",
    [
        "<p>",
        "<p></b></p>",
        "<script>1</script>",
        "<img src=x onerror=y>",
        "<a href=x></a>",
        "<p style='color:#000'></p>",
    ]
    + [
        "<p style='background:white'></p>",
        "<b style='border:1px solid red'></b>",
        "<p>" + "x" * BYTES + "</p>",
    ],
)
def test_each_fault_is_found(page):
    assert html_faults(page)


def test_what_is_allowed_is_no_fault():
    assert (
        html_faults("<p style='border:1px solid;color:var(--x);background:currentColor'>#fff red</p>") == []
    )


def test_evil_text_is_there_to_be_read(rag):
    for name in ("answer", "hits", "chunk", "comparison", "dataset", "trained", "version", "traced"):
        page = Checked()
        page.feed(SHOWN[name](rag)._repr_html_())
        assert "<script>alert(1)</script>" in "".join(page.text), name


def test_store_of_one_folder_tells_the_same_everywhere(tmp_path):
    store = Store(tmp_path / "new")
    assert "generation 0" in repr(store) and "new" in store._repr_html_()
    store.close()


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


CONTRAST = """() => {
  const rgb = c => c.match(/[\\d.]+/g).map(Number)
  const linear = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4
  const light = c => c.map(linear).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0)
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor)
      if (c.length < 4 || c[3]) return c.slice(0, 3)
    }
  }
  const strength = e => e ? getComputedStyle(e).opacity * strength(e.parentElement) : 1
  const found = [], all = document.querySelectorAll('section *')
  for (const e of all) {
    const says = [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())
    if (!says || !e.getClientRects().length) continue
    const back = ground(e), o = strength(e), s = getComputedStyle(e)
    const text = rgb(e.closest('svg') ? s.fill : s.color).slice(0, 3).map((v, i) => v * o + back[i] * (1 - o))
    const [a, b] = [light(text), light(back)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05)
    const where = e.closest('section').id
    if (ratio < 4.5) found.push(`${where}: ${e.tagName} ${ratio.toFixed(2)} ${e.textContent.slice(0, 40)}`)
  }
  return [found, all.length] }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(scheme, rag, browser):
    parts = "".join(f"<section id='{n}'>{make(rag)._repr_html_()}</section>" for n, make in SHOWN.items())
    style = {"light": "color:#1f1f1f;background:#fff", "dark": "color:#d8d8d8;background:#111"}[scheme]
    page = browser.new_page(color_scheme=scheme)
    alerts = []
    page.on("dialog", lambda d: (alerts.append(d.message), d.dismiss()))
    page.set_content(f"<meta charset=utf-8><body style='{style}'>{parts}")
    faults, count = page.evaluate(CONTRAST)
    page.close()
    assert count > 500 and faults == [] and alerts == []
