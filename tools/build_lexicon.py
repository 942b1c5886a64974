"""Makes `liquid_ai/data/lexicon.json.gz` from WordNet 3.0: `python tools/build_lexicon.py FOLDER`.

FOLDER holds WordNet's `data.*`, `index.*`, `*.exc` and `cntlist.rev` for nouns, verbs, adjectives and
adverbs. They are in WordNet's own archive (https://wordnet.princeton.edu/download/current-version) and in
Debian's package `wordnet-base` under /usr/share/wordnet; wndb(5WN) and cntlist(5WN) describe them. The
licence asks that its notice goes with every copy: it is in `liquid_ai/data/WORDNET_LICENSE`.

Kept are words in small letters, single ones and verbs with a particle; a word's senses that were met in the
texts WordNet's authors tagged, and its first sense. The same input gives the same bytes.
"""

import gzip
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

PARTS = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
TARGET = Path(__file__).resolve().parent.parent / "liquid_ai" / "data" / "lexicon.json.gz"
PARTICLES = "up|out|off|in|on|over|away|back|down|through|for|at|of|with|into|together|apart|forward"
WORD = re.compile(rf"[a-z]{{2,24}}(?:_(?:{PARTICLES}))?")
SENSES = 5  # of a word and part of speech at most
ACTS = {"04", "11", "19", "22", "26"}  # files of acts, events, phenomena, processes and states: lexnames(5WN)
PERSON = "18"


def lines(path: Path) -> list[list[str]]:
    "The fields of a file's lines, without the licence that its indented first lines are."
    return [line.split() for line in path.read_text("ascii").splitlines() if not line.startswith("  ")]


def counts(folder: Path) -> dict[tuple[str, str, int], int]:
    "How often a sense was tagged: by word, part of speech and number of the sense."
    found = {}
    for key, number, count in lines(folder / "cntlist.rev"):
        word, _, rest = key.partition("%")
        found[word, "nvara"[int(rest[0]) - 1], int(number)] = int(count)
    return found


def synsets(folder: Path) -> dict[str, tuple[list[str], list[tuple[str, str, int, int]], str]]:
    "By part and offset: words; pointers as sign, target, number of the word here and there; the file."
    found = {}
    for part, name in PARTS.items():
        for fields in lines(folder / f"data.{name}"):
            n = int(fields[3], 16)
            words = [re.sub(r"\(.*\)$", "", w) for w in fields[4 : 4 + 2 * n : 2]]
            rest = fields[5 + 2 * n : 5 + 2 * n + 4 * int(fields[4 + 2 * n])]
            pointers = [
                (
                    rest[i],
                    rest[i + 2].replace("s", "a") + rest[i + 1],
                    int(rest[i + 3][:2], 16),
                    int(rest[i + 3][2:], 16),
                )
                for i in range(0, len(rest), 4)
            ]
            found[part + fields[0]] = words, pointers, fields[1]
    return found


def build(folder: Path) -> dict:
    "The lexicon."
    tagged, nets = counts(folder), synsets(folder)
    senses, ids, names = {}, set(), set()
    for part, name in PARTS.items():
        for fields in lines(folder / f"index.{name}"):
            word = fields[0]
            offsets = [part + o for o in fields[6 + int(fields[3]) :]]
            if not WORD.fullmatch(word) or ("_" in word and part != "v"):
                continue
            kept = []
            if part == "n" and any(word not in nets[at][0] for at in offsets[:3]):
                names.add(word)  # turkey, china, mercury
            for number, at in enumerate(offsets[:SENSES], 1):
                count = tagged.get((word, part, number), 0)
                if (number == 1 or count) and word in nets[at][0]:  # not *Turkey* for *turkey*
                    kept.append((at, count))
            if kept:
                senses.setdefault(word, {})[part] = kept
    ranked = {w: sum(c for kept in s.values() for _, c in kept) for w, s in senses.items()}
    chosen = {w for w, total in ranked.items() if total}
    for words, *_ in nets.values():  # an untagged word is worth a place beside a tagged one
        if any(w in chosen for w in words):
            chosen |= {w for w in words if w in senses} - chosen if len(words) < 7 else set()
    chosen |= {w for w, parts in senses.items() if "v" in parts and "_" not in w}
    words = sorted(chosen)
    number = {w: i for i, w in enumerate(words)}
    for w in words:
        ids |= {at for kept in senses[w].values() for at, _ in kept}
    order = {at: i for i, at in enumerate(sorted(ids))}
    pairs = defaultdict(set)
    for at in ids:
        here, pointers, file = nets[at]
        for sign, to, a, b in pointers:
            if sign in "!+=" and to in nets:
                there = nets[to][0]
                ones = [here[a - 1]] if a else here
                twos = [there[b - 1]] if b else there
                if sign == "+" and (at[0], to[0]) == ("n", "v"):
                    sign = "act" if file in ACTS else "person" if file == PERSON else "thing"
                pairs[sign] |= {
                    (number[x], number[y]) for x in ones for y in twos if x in number and y in number
                }
    up = [next((order.get(t, -1) for s, t, *_ in nets[at][1] if s in ("@", "&")), -1) for at in sorted(ids)]
    irregular = {}
    for part, name in PARTS.items():
        rows = [f for f in lines(folder / f"{name}.exc") if f[1] in number and part in senses[f[1]]]
        irregular[part] = {f[0]: f[1] for f in rows if WORD.fullmatch(f[0]) and "_" not in f[0]}
    table = {
        w: {p: [n for at, c in kept for n in (order[at], c)] for p, kept in senses[w].items()} for w in words
    }
    signs = {"!": "antonyms", "=": "attributes", "act": "acts", "person": "agents", "thing": "things"}
    return {
        "source": "WordNet 3.0, Copyright 2006 by Princeton University; see WORDNET_LICENSE",
        "words": table,
        "up": up,
        "irregular": irregular,
        "others": " ".join(sorted(w for w in senses.keys() - chosen if "_" not in w)),
        "names": sorted(names & number.keys()),
        **{name: sorted(map(list, pairs[sign])) for sign, name in signs.items()},
    }


def main() -> None:
    "Writes the file and says what is in it."
    made = build(Path(sys.argv[1]))
    text = json.dumps(made, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    TARGET.write_bytes(gzip.compress(text, 9, mtime=0))
    print(Counter({k: len(v) for k, v in made.items()}), f"{TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
