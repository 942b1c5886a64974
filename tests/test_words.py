"""The same word however it is written, in any script; and its language where it says."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
import Stemmer
from hypothesis import given
from hypothesis import strategies as st

from liquid_ai.core import InputError
from liquid_ai.indexing.words import SNOWBALL, Words, detect_language, languages

PLAIN = Words("none")
SPACELESS = {
    "chinese": ("我的猫很可爱", "猫", "狗"),
    "japanese": ("東京都に住んでいます", "東京", "大阪"),
    "katakana": ("プログラミング言語", "プログラム", "データ"),
    "korean": ("파이썬은 언어이다", "파이썬을", "자바를"),
    "thai": ("ภาษาไทยเขียนติดกัน", "ภาษา", "แมว"),
    "lao": ("ພາສາລາວຂຽນຕິດກັນ", "ພາສາ", "ແມວ"),
    "khmer": ("ភាសាខ្មែរសរសេរជាប់គ្នា", "ភាសា", "ឆ្មា"),
    "burmese": ("မြန်မာဘာသာစကား", "ဘာသာ", "ကြောင်"),
}


@pytest.mark.parametrize("script", SPACELESS)
def test_a_word_is_found_in_text_without_spaces(script):
    text, inside, outside = SPACELESS[script]
    for words in (PLAIN, Words("english")):
        assert set(words(inside)) & set(words(text))
        assert not set(words(outside)) & set(words(text))


@pytest.mark.parametrize(
    ("text", "stems"),
    [
        ("Python の with 文", ["python", "の", "with", "文"]),
        ("Pythonのwith文を使う", ["python", "の", "with", "文", "使", "文を", "を使", "使う"]),
        ("ｶﾞｲﾄﾞ ガイド", ["ガイ", "イド"] * 2),  # half-width
        ("𝐏𝐲𝐭𝐡𝐨𝐧 ﬁle", ["python", "file"]),  # letters for formulas, a ligature
        ("don't l'eau", ["don", "t", "l", "eau"]),
        ("3.11, 1,000 and 10mg", ["3.11", "1,000", "and", "10mg"]),
        ("snake_case camelCase __init__", ["snake_case", "camelcase", "__init__"]),
        ("ex\u00adample zero\u200bwidth", ["example", "zero", "width"]),  # soft hyphen, space without width
        ("🙂 ... —", []),
        ("", []),
    ],
)
def test_what_a_word_is(text, stems):
    assert PLAIN(text) == stems


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("english", "naïve résumés", "naive resume"),
        ("english", "The FILE", "the file"),
        ("german", "Häuser straße", "haus STRASSE"),
        ("french", "eaux", "eau"),
        ("greek", "άνθρωπος", "ΑΝΘΡΩΠΟΣ"),
        ("arabic", "الكِتَاب", "الكتاب"),
        ("hindi", "लड़कियाँ", "लड़की"),
        ("persian", "می\u200cخواهم", "میخواهم"),
        ("turkish", "IŞIK İZ", "ışık iz"),
        ("russian", "программы", "программа"),
    ],
)
def test_forms_of_a_word_have_one_stem(language, one, other):
    words = Words(language)
    assert words(one) == words(other) != []


def test_accents_tell_words_apart_outside_english():
    assert Words("spanish")("año") != Words("spanish")("ano")
    assert PLAIN("schön") != PLAIN("schon")


@given(st.text(), st.sampled_from(["english", "none", "german", "hindi"]))
def test_how_unicode_writes_it_does_not_matter(text, language):
    words = Words(language)
    found = words(text)
    assert all(found) and all(isinstance(w, str) for w in found)
    for form in ("NFC", "NFD"):
        assert words(unicodedata.normalize(form, text)) == found


@given(st.text(st.characters(codec="ascii")))
def test_plain_english_is_as_it_was_but_for_decimals(text):
    import re

    text = re.sub(r"(?<=\d)[.,](?=\d)", " ", text)
    assert Words()(text) == Stemmer.Stemmer("english").stemWords(re.findall(r"\w+", text.lower()))


def test_languages_are_recognised():
    assert set(SNOWBALL.values()) <= set(Stemmer.algorithms())
    told = {
        "The quick brown fox jumps over the lazy dog and runs away.": "english",
        "Der schnelle braune Fuchs springt über den faulen Hund.": "german",
        "Le renard brun saute par-dessus le chien paresseux.": "french",
        "El rápido zorro marrón salta sobre el perro perezoso.": "spanish",
        "Быстрая коричневая лиса прыгает через ленивую собаку.": "russian",
        "Η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.": "greek",
        "素早い茶色の狐がのろまな犬を飛び越える。": "none",
        "敏捷的棕色狐狸跳过了懒狗。": "none",
        "빠른 갈색 여우가 게으른 개를 뛰어넘는다.": "none",
    }
    assert {text: detect_language(text) for text in told} == told
    assert detect_language("pass") == detect_language("") == "english"
    assert detect_language("?", default="german") == "german"
    shares = languages(list(told))
    assert list(shares)[0] == "none" and sum(shares.values()) == pytest.approx(1)


def test_auto_is_settled_by_the_texts_once():
    with pytest.raises(InputError, match="settled"):
        Words("auto")("what?")
    texts = ["Wo steht das alte Haus?", "Die Häuser stehen am Fluss.", "this one is English text"]
    settled = Words("auto").settled(texts)
    assert settled.language == "german" and settled.settled(["English text it is now"]) is settled


def test_without_the_detector_the_error_says_what_to_do(monkeypatch):
    import sys

    from liquid_ai.indexing import words

    words._identifier.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid", None)
    with pytest.raises(InputError, match="name the language"):
        detect_language("text")


def test_many_threads_stem_alike():
    words = Words()
    texts = [f"running {i} classes classify {i * 7} closing" for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(words, texts)) == [words(t) for t in texts]
