"""Claims against passages: exact spans whatever the text, what is refused or cut off, a model that judges."""

import json
from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_ai.core import Document, Hit, Hits, InputError, ModelError, Settings, chunk_document, to_json
from liquid_ai.generation.abstain import answer_confidence, lacks_what_is_asked
from liquid_ai.generation.agree import disagreement, negations, says_something
from liquid_ai.generation.cite import check, claims, confidence, find_evidence, fold, quotation, sentences
from liquid_ai.generation.entail import load_entailment
from liquid_ai.generation.quantities import quantities
from liquid_ai.generation.support import pairs, support
from liquid_ai.indexing.embed import load_encoder
from liquid_ai.indexing.sparse import BM25Index
from liquid_ai.indexing.words import Words

WORDS = Words()
GUIDE = "Ann Baker wrote the first guide to the valley in 1887. It was printed in Leeds."
BIRDS = "Herons eat fish along the shore. The museum lies by the river. It opened in 1923."


def hits_of(*texts):
    "A hit for each text, which is cut in two at its middle paragraph where it has one."
    documents = [Document.of(text, f"t{n}") for n, text in enumerate(texts)]
    chunks = [c for d in documents for c in chunk_document(d, [(0, len(d.text), ())])]
    return documents, Hits(Hit(c, 1.0 / n, n) for n, c in enumerate(chunks, 1))


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(Settings())


def asked(encoder, question, told, *texts, **options):
    _, hits = hits_of(*texts)
    index = BM25Index.build([*texts, "The battery lasts nine hours.", "Bread is baked at home."], WORDS)
    evidence = find_evidence(question, hits, encoder, index)
    passages = {h.rank: h.chunk.id for h in hits}
    return check(claims(told, True), evidence, passages, encoder, index, question=question, **options)


class Fake:
    "An encoder that hashes words: quick, and as good as any for spans."

    name = "fake"

    def encode(self, texts, kind="document"):
        out = np.zeros((len(texts), 16), np.float32)
        for row, text in zip(out, texts, strict=True):
            for w in text.lower().split():
                row[sum(map(ord, w)) % 16] += 1
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


TEXT = st.lists(
    st.sampled_from(
        [
            "It opened in 1923.",
            "Ann wrote it!",
            "\n\n",
            "  ",
            "\t",
            "東京は首都です。",
            "naïve café \u00a0 e\u0301",
            "A = 3.5 km?",
            "* item",
            "======",
            "“Quoted.”",
            "[1]",
            "🙂 smiles.",
            "Dr. X left.",
            "zero\u200bwidth",
            "The heron eats fish",
            "\r\n",
        ]
    ),
    max_size=14,
).map("".join)


@settings(deadline=None, max_examples=60)
@given(st.lists(TEXT, min_size=1, max_size=3), TEXT, st.sampled_from(["flag", "remove"]), st.floats(0, 1))
def test_citations_are_exact_spans_of_their_documents(texts, told, unsupported, bar):
    documents, hits = hits_of(*texts)
    index = BM25Index.build([*texts, "other words"], WORDS)
    evidence = find_evidence("when did it open", hits, Fake(), index)
    passages = {h.rank: h.chunk.id for h in hits}
    by_id = {d.id: d for d in documents}
    options = {"question": "when did it open", "unsupported": unsupported}
    checked = check(claims(told, True), evidence, passages, Fake(), index, bar, **options)
    for c in [*checked.citations, *((quotation(evidence) or checked).citations)]:
        assert by_id[c.document_id].text[c.start : c.end] == c.quote != ""
    assert [c.number for c in checked.citations] == list(range(1, len(checked.citations) + 1))
    assert {n for s in checked.sentences for n in s.citations} == {c.number for c in checked.citations}
    for s in checked.sentences:
        assert s.supported == bool(s.citations) and all(
            f"[{n}]" in checked.text[s.start : s.end] for n in s.citations
        )
        assert s.supported or unsupported == "flag"
    assert 0 <= checked.confidence <= 1
    assert json.loads(json.dumps(to_json(checked), allow_nan=False))["text"] == checked.text


@settings(deadline=None)
@given(st.text())
def test_sentences_cover_every_letter_once(text):
    spans = sentences(text)
    assert "".join(text[a:b] for a, b in spans).split() == text.split() or fold(
        "".join(text.split())
    ) == fold("".join("".join(text[a:b] for a, b in spans).split()))
    assert all(a < b for a, b in spans) and all(
        b <= c for (_, b), (c, _) in zip(spans, spans[1:], strict=False)
    )


@pytest.mark.parametrize(
    ("claim", "passage", "part"),
    [
        ("The heron is a fish.", "Herons eat fish.", "fish"),
        ("It is a fish.", "Herons eat fish.", "fish"),
        ("Fish eat herons.", "Herons eat fish.", "exchanged"),
        ("Carolina beat Denver.", "Denver beat Carolina.", "exchanged"),
        ("Denver was beaten by Carolina.", "Denver beat Carolina.", "exchanged"),
        ("Ann was hired by Bo.", "Ann hired Bo.", "exchanged"),
        ("The Elbe is longer than the Rhine.", "The Rhine is longer than the Elbe.", "exchanged"),
        ("Sales fell in May.", "Sales rose in May.", "opposite"),
        ("The tax applies to small firms.", "The tax does not apply to small firms.", "negated"),
        ("The gate is never closed.", "The gate is closed.", "negated"),
        ("Yes, it is not allowed.", "It is not allowed.", "disagree"),
        ("Bo Diaz wrote the guide.", "Ann Baker wrote the guide.", "not in the passage"),
        ("Call set_limit() first.", "Call set_level() first.", "set_limit"),
        ("The bridge was demolished in 1990.", "The bridge was built in 1990.", "demolished"),
        ("It has 12 rooms.", "It has 21 rooms.", "12"),
        ("Aspirin lowers the risk.", "Aspirin may lower the risk.", "may"),
        ("The owner must end the lease.", "The owner may end the lease.", "must"),
        ("All patients recovered.", "Some patients recovered.", "all"),
        ("Every witness saw it.", "Most of the witnesses saw it.", "all"),
        ("Exactly 300 people live there.", "About 300 people live there.", "exactly"),
        ("The drug is given to more than 20 men.", "The drug is given to up to 20 men.", "'"),
        ("The tunnel is 20 km long.", "The tunnel is less than 20 km long.", "less than"),
        ("The striker scored.", "The striker hardly scored.", "hardly"),
        ("The ferry runs on Sundays.", "The ferry runs daily except on Sundays.", "except"),
        ("The bridge is unsafe.", "The mayor denied that the bridge is unsafe.", "said"),
        ("The judge admitted the evidence.", "The judge refused to admit the evidence.", "said"),
        ("It is the highest mountain.", "It is the second highest mountain.", "second"),
        ("The patient should rest.", "If the fever persists, the patient should rest.", "condition"),
        ("The treaty was signed last year.", "The treaty will be signed next year.", "future"),
        ("The vaccine is safe.", "The vaccine is unsafe.", "opposite"),
        ("Lyon has 2.1 million people.", "Paris has 2.1 million people and Lyon has 520,000.", "2.1 million"),
        ("It took effect in 1951.", "It was signed in 1951 and took effect in 1953.", "1951"),
        ("Add 200 g of sugar.", "Add 200 g of flour, then 50 g of sugar.", "200 g"),
        ("Canada lent Mexico money.", "Mexico lent Canada money.", "exchanged"),
        ("The train goes from Rome to Oslo.", "The train goes from Oslo to Rome.", "'"),
        ("Insulin is made by the liver.", "Insulin is made by the pancreas in the liver.", "by"),
        ("Peru has Chile to the north.", "Peru has Chile to the south and Ecuador to the north.", "north"),
    ],
)
def test_what_speaks_against_a_claim_is_named(claim, passage, part):
    assert part in disagreement(claim, passage, WORDS)


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("Carolina was beaten by Denver.", "Denver defeated Carolina."),
        ("The Elbe is shorter than the Rhine.", "The Rhine is longer than the Elbe."),
        ("The guide was written by Ann Baker.", "Ann Baker wrote the guide."),
        ("The limit is 1000 bytes.", "The limit is 1,000 bytes."),
        ("No, the gate is not closed.", "The gate is not closed."),
        ("The heron is a bird.", "The heron, a large bird, eats fish."),
        ("Some patients recovered.", "All patients recovered."),
        ("Aspirin may lower the risk.", "Aspirin lowers the risk."),
        ("The tenant pays a deposit.", "The tenant must pay a deposit."),
        ("Lyon has 520,000 people.", "Paris has 2.1 million people and Lyon has 520,000."),
        ("It was signed in 1951.", "It was signed in 1951 and took effect in 1953."),
        ("Add 50 g of sugar.", "Add 200 g of flour, then 50 g of sugar."),
        ("Paris is the capital of France.", "The capital of France is Paris."),
        ("", ""),
        ("🙂", "Herons eat fish."),
    ],
)
def test_nothing_speaks_against_what_says_the_same(claim, passage):
    assert disagreement(claim, passage, WORDS) == ""


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from([WORDS, Words("none"), Words("german")]))
def test_any_pair_of_texts_is_survived(claim, passage, words):
    assert isinstance(disagreement(claim, passage, words), str)
    assert says_something(claim, words) in (True, False)


def test_what_rambles_is_cut_off_and_told(encoder):
    told = "Ann Baker wrote the guide [1]. The heron is a fish [2]. It was printed in Leeds [1]."
    checked = asked(encoder, "who wrote the guide", told, GUIDE, BIRDS)
    assert checked.removed == ("The heron is a fish.",) and "cut off" in checked.reason
    assert [s.supported for s in checked.sentences] == [True, True] and checked.supported
    assert {c.document_id for c in checked.citations} == {Document.of(GUIDE, "t0").id}
    kept = asked(encoder, "", told, GUIDE, BIRDS)  # without the question nothing is known to be beside it
    assert not kept.removed and [s.supported for s in kept.sentences] == [True, False, True]


def test_unsupported_sentences_are_flagged_or_removed(encoder):
    told = "Ann Baker wrote the guide in 1887. Ann Baker wrote the guide in 1999."
    flagged = asked(encoder, "who wrote the guide", told, GUIDE)
    assert [s.supported for s in flagged.sentences] == [True, False] and not flagged.removed
    removed = asked(encoder, "who wrote the guide", told, GUIDE, unsupported="remove")
    assert removed.removed == ("Ann Baker wrote the guide in 1999.",)
    assert removed.text == "Ann Baker wrote the guide in 1887 [1]." and "1 sentence removed" in removed.reason
    nothing = asked(encoder, "who wrote the guide", "Bo wrote it in 1999.", GUIDE, unsupported="remove")
    assert (nothing.text, nothing.sentences, nothing.supported) == ("", (), False)
    with pytest.raises(InputError, match="flag or remove"):
        asked(encoder, "?", told, GUIDE, unsupported="hide")


def test_neighbours_support_together_as_one_span(encoder):
    checked = asked(encoder, "When did the museum open?", "The museum opened in 1923.", BIRDS)
    assert [c.quote for c in checked.citations] == ["The museum lies by the river. It opened in 1923."]
    _, hits = hits_of(BIRDS)
    evidence = find_evidence("museum", hits, encoder, BM25Index.build([BIRDS], WORDS))
    [pair] = pairs(evidence)
    assert abs(np.linalg.norm(pair.vector) - 1) < 1e-5 and pairs([]) == []


def test_a_bare_phrase_is_read_with_its_question(encoder):
    assert not says_something("1923.", WORDS) and says_something("It opened in 1923.", WORDS)
    assert asked(encoder, "When was the guide to the valley written by Ann Baker?", "1887.", GUIDE).supported
    assert not asked(
        encoder, "When was the guide to the valley written by Ann Baker?", "1888.", GUIDE
    ).supported


def test_a_copied_sentence_that_does_not_answer_is_no_answer(encoder):
    checked = asked(
        encoder, "Who wrote the guide to the valley?", "Herons eat fish along the shore.", GUIDE, BIRDS
    )
    assert checked.sentences[0].supported and not checked.answers and not checked.supported
    assert "does not answer" in checked.reason


def test_confidence_falls_with_what_is_missing(encoder):
    _, hits = hits_of(GUIDE, BIRDS)
    index = BM25Index.build([GUIDE, BIRDS], WORDS)
    question = "Who wrote the guide to the valley?"
    evidence = find_evidence(question, hits, encoder, index)
    best = answer_confidence(evidence, question)
    assert 0 < answer_confidence(evidence, question, evidence[-1]) < best < 1
    assert answer_confidence(evidence, question, support=0.5) == pytest.approx(best / 2)
    assert answer_confidence(evidence, "When was it?") >= answer_confidence(
        [replace(e, hit=replace(e.hit, rank=2)) for e in evidence], "How many people were there?"
    )
    assert lacks_what_is_asked("How many rooms?", "It has rooms.")
    assert confidence([]) == answer_confidence([]) == 0


FAQ = "May I bring a dog? Yes, on a lead. Can I pay by card in the shop? No, only cash is taken."


@pytest.mark.parametrize(
    ("told", "supported"),
    [
        ("No, only cash is taken.", True),
        ("Only cash is taken in the shop.", True),
        ("No, you cannot pay by card in the shop.", True),
        ("Yes, you can pay by card in the shop.", False),
        ("You can pay by card in the shop.", False),
        ("Can I pay by card in the shop?", False),
    ],
)
def test_a_question_says_nothing_but_with_its_answer(encoder, told, supported):
    checked = asked(encoder, "Can I pay by card in the shop?", told, FAQ)
    assert checked.supported is supported
    if supported:
        assert checked.citations[0].quote == "Can I pay by card in the shop? No, only cash is taken."


def test_question_and_answer_are_quoted_as_one_span(encoder):
    _, hits = hits_of(FAQ, "Who pays for the dog?")
    question = "Can I pay by card in the shop?"
    evidence = find_evidence(question, hits, encoder, BM25Index.build([FAQ, "other"], WORDS))
    assert [c.quote for c in quotation(evidence, question).citations] == [
        "Can I pay by card in the shop? No, only cash is taken."
    ]
    assert len(evidence) == 2  # the bare question of the second text is none


def test_a_quotation_goes_on_only_into_evidence(encoder):
    text = (
        "To open the vault of the museum you need the following:\n\nSay the word KUMQUAT to the guard today."
    )
    _, hits = hits_of(text)
    evidence = find_evidence("How do I open the vault?", hits, encoder, BM25Index.build([text], WORDS))
    assert "KUMQUAT" in quotation(evidence).text
    assert quotation([e for e in evidence if "KUMQUAT" not in e.text]) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Use items[0] to get it.", ["Use items[0] to get it."]),
        ("The list is [1, 2, 3].", ["The list is [1, 2, 3]."]),
        ("It opened [1][2]. It closed.[3]", ["It opened.", "It closed."]),
        (
            "1. The recipe needs two eggs.\n2. It needs flour.",
            ["The recipe needs two eggs.", "It needs flour."],
        ),
        ("The gate is open. The gate is not open.", ["The gate is open.", "The gate is not open."]),
        ("Rome beat Oslo. Oslo beat Rome.", ["Rome beat Oslo.", "Oslo beat Rome."]),
    ],
)
def test_claims_come_through_whole(text, wanted):
    assert [claim for claim, _ in claims(text, True)] == wanted


def test_what_is_left_out_is_told(encoder):
    told = "Ann Baker wrote the guide. Ann Baker wrote the guide [1]. She wrote:"
    checked = asked(encoder, "who wrote the guide", told, GUIDE)
    assert checked.removed == ("Ann Baker wrote the guide.", "She wrote:") and "left out" in checked.reason


@pytest.mark.parametrize("unsupported", ["flag", "remove"])
def test_no_later_sentence_takes_the_place_of_the_first(encoder, unsupported):
    told = "Ann Baker wrote the guide in 1999. Ann Baker wrote the guide in 1887."
    checked = asked(encoder, "who wrote the guide", told, GUIDE, unsupported=unsupported)
    assert not checked.supported and len(checked.sentences) + len(checked.removed) == 2


@pytest.mark.parametrize("unit", ["1,", "not cat ", "The cat eats 5 fish. ", "[1] ", "from 1 to 2 ", "a"])
def test_long_texts_take_time_in_proportion(unit):
    text = (unit * 100_000)[:100_000]
    readers = (
        lambda: claims(text, True),
        lambda: sentences(text),
        lambda: quantities(text),
        lambda: negations(text, WORDS),
        lambda: disagreement(text, text, WORDS),
        lambda: disagreement("The cat eats 5 fish and is not red.", text, WORDS),
    )
    for read in readers:
        start = process_time()  # of this process: whatever else runs
        read()
        assert process_time() - start < 5  # what grows with the square takes a minute


@pytest.mark.parametrize("bar", [0.0, 0.2, 0.4, 0.65])
def test_a_veto_holds_whatever_the_threshold_is(encoder, bar):
    told = "The museum never opened in 1923."
    assert not asked(encoder, "When did the museum open?", told, BIRDS, min_support=bar).supported


def test_attached_does_not_depend_on_the_order_of_claims(encoder):
    told = ["Ann Baker wrote the first guide to the valley in 1887.", "Ann Baker wrote the first guide [1]."]
    for order in (told, told[::-1]):
        checked = asked(encoder, "Who wrote the guide?", " ".join(order), GUIDE)
        assert [c.attached for c in checked.citations] == [False]


@pytest.mark.parametrize(
    ("question", "told", "texts", "supported"),
    [
        (
            "When did the museum open?",
            "It opened in 1923.",
            ("The bakery opened in 1923.", "The museum is red."),
            False,
        ),
        ("When did the museum open?", "It opened in 1923.", (BIRDS,), True),
        (
            "When was Otto born?",
            "He was born in 1850.",
            ("Otto was a painter.", "Carl was born in 1850."),
            False,
        ),
        ("When was Otto born?", "He was born in 1850.", ("Otto was a painter. He was born in 1850.",), True),
    ],
)
def test_a_pronoun_means_what_was_spoken_of(encoder, question, told, texts, supported):
    assert asked(encoder, question, told, *texts).sentences[0].supported is supported


@pytest.mark.parametrize(
    ("language", "text", "negation"),
    [
        ("german", "Der Turm ist im Winter geöffnet.", "Der Turm ist im Winter nicht geöffnet."),
        ("french", "Le musée est ouvert le lundi.", "Le musée n'est pas ouvert le lundi."),
        ("spanish", "El museo cierra los lunes.", "El museo no cierra los lunes."),
        ("russian", "Музей открыт по понедельникам.", "Музей не открыт по понедельникам."),
        ("english", "Музей открыт по понедельникам.", "Музей не открыт по понедельникам."),
    ],
)
def test_a_negation_in_another_language_is_one(language, text, negation):
    words = Words(language)
    assert disagreement(text, text, words) == disagreement(negation, negation, words) == ""
    assert "negated" in disagreement(text, negation, words) and "negated" in disagreement(
        negation, text, words
    )


def test_sentences_end_before_any_capital():
    for text in ("Das Museum öffnet. Über Mittag ist zu.", "Él abre. ¿Cuándo cierra?", "Он не знал. Да."):
        assert len(sentences(text)) == 2


# Entailment


def network(folder, labels, **options):
    "A classifier with random weights."
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "herons", "eat", "fish", "the", "is", "a"]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    sizes |= {"vocab_size": len(words), "max_position_embeddings": 24}
    names = dict(enumerate(labels))
    model = BertForSequenceClassification(
        BertConfig(**sizes, id2label=names, label2id={n: i for i, n in names.items()})
    )
    model.save_pretrained(folder, **options)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return model.eval()


def test_the_output_that_is_called_entailment_is_read(tmp_path):
    import torch
    from transformers import AutoTokenizer

    model = network(tmp_path, ["CONTRADICTION", "ENTAILMENT", "NEUTRAL"])
    judge, tokenizer = load_entailment(str(tmp_path)), AutoTokenizer.from_pretrained(tmp_path)
    asked = [("herons eat fish", "the heron is a fish"), ("fish", "herons eat"), ("a", "a")] * 7
    with torch.inference_mode():
        wanted = [float(model(**tokenizer(*p, return_tensors="pt")).logits.softmax(-1)[0, 1]) for p in asked]
    assert judge(asked) == pytest.approx(wanted, abs=1e-5) and judge([]) == []
    long = judge([("fish " * 500, "herons eat"), ("fish", "herons " * 500), ("fish " * 500, "eat " * 500)])
    assert all(0 <= p <= 1 for p in long)


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        (["negative", "positive"], {}, "no output that is called entailment"),
        (["LABEL_0", "LABEL_1", "LABEL_2"], {}, "no output that is called entailment"),
        (["entailment", "neutral"], {"damage": "model.safetensors"}, "cannot be loaded|not here|weights"),
    ],
)
def test_other_models_are_refused(tmp_path, labels, options, said):
    network(tmp_path, labels)
    for name in options.values():
        (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=said):
        load_entailment(str(tmp_path))


def test_a_judge_decides_but_numbers_and_names_stay_strict(encoder):
    def yes(asked):
        return [0.9] * len(asked)

    def no(asked):
        return [0.1] * len(asked)

    _, hits = hits_of(GUIDE)
    index = BM25Index.build([GUIDE, BIRDS], WORDS)
    evidence = find_evidence("guide", hits, encoder, index)
    true, false = "The valley's first guide is by Ann Baker.", "Ann Baker wrote the guide in 1999."
    assert max(support(true, evidence, encoder, index, entailment=yes)) == 0.9
    assert max(support(true, evidence, encoder, index, entailment=no)) < 0.65
    assert max(support(false, evidence, encoder, index, entailment=yes)) < 0.65
    checked = asked(encoder, "who wrote the guide", false, GUIDE, entailment=yes)
    assert not checked.supported
