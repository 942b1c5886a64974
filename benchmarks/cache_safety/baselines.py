"""The rules that are measured: exact text, plain cosine at several thresholds, and the project's guard."""

import math
import unicodedata
from collections.abc import Callable
from functools import cache

import numpy as np

from liquid_ai.core import Settings
from liquid_ai.generation.guard import agree
from liquid_ai.generation.semantic import THRESHOLD
from liquid_ai.indexing.embed import load_encoder

from . import SPLITS, Decide, pairs

TO_HIT = 0.60  # of the paraphrases: what the project's guard has to reach


def normalised(question: str) -> str:
    "The question without its case, its punctuation at the end, and all but single spaces."
    return " ".join(unicodedata.normalize("NFKC", question).casefold().split()).rstrip(" ?!.")


def exact(first: str, second: str) -> bool:
    "Whether two questions are the same text once normalised."
    return normalised(first) == normalised(second)


def guarded(first: str, second: str) -> bool:
    "Whether the guard lets the first question's answer be served for the second."
    return not agree(second, first)


@cache
def similarity() -> Callable[[str, str], float]:  # takes two questions of the suite
    "The cosine of two questions by the packaged encoder, all of them embedded in one go."
    texts = sorted({text for split in SPLITS for p in pairs(split) for text in (p.first, p.second)})
    vectors = dict(zip(texts, load_encoder(Settings()).encode(texts, kind="query"), strict=True))
    return lambda first, second: float(np.dot(vectors[first], vectors[second]))


def rules() -> dict[str, tuple[Decide, str]]:  # by name: the rule, and what to know of it
    "Every rule; thresholds are chosen on `dev` alone."
    cosine = similarity()
    same = sorted((cosine(p.first, p.second) for p in pairs("dev") if p.same), reverse=True)
    safe = math.nextafter(max(cosine(p.first, p.second) for p in pairs("dev") if not p.same), math.inf)
    wanted = same[math.ceil(TO_HIT * len(same)) - 1]
    ours = sum(guarded(p.first, p.second) for p in pairs("dev") if p.same)
    as_many = same[max(ours, 1) - 1]

    def over(threshold: float) -> Decide:
        return lambda first, second: cosine(first, second) >= threshold

    gptcache = (
        "GPTCache's default rule on our encoder, since its own default one cannot be had offline; "
        "its similarity_threshold of 0.8 lets a squared distance of 0.8 pass, which is a cosine of 0.6"
    )
    return {
        "exact text": (exact, "case, white space and punctuation at the end left out"),
        "cosine >= 0.60": (over(0.6), gptcache),
        "cosine >= 0.80": (over(0.8), "0.8, GPTCache's number, taken for a cosine"),
        "cosine >= 0.90": (over(0.9), ""),
        "cosine, no wrong hit on dev": (over(safe), f"the lowest such threshold: {safe:.4f}"),
        f"cosine, {TO_HIT:.0%} hit on dev": (over(wanted), f"the highest such threshold: {wanted:.4f}"),
        "cosine, as many hit on dev as the guard": (over(as_many), f"the threshold: {as_many:.4f}"),
        "guard": (guarded, "alone, whatever the cosine"),
        f"guard and cosine >= {THRESHOLD:.2f}": (
            lambda first, second: cosine(first, second) >= THRESHOLD and guarded(first, second),
            "as the semantic cache decides by default",
        ),
    }
