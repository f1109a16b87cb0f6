"""What becomes of questions whose names are written otherwise: `python benchmarks/misspelled_questions.py DIR FILE`.

The names in each question (what the dictionary of the index finds there, in capitals) are written in other ways, one
way at a time, the same ones at each run. For each way the table tells, with the linker `--linker`s name:

* found: the share of the altered names that are still linked to the same entities;
* astray: links, per hundred questions, to entities that the question as it was is not linked to;
* R@5: recall at 5 of the default retriever with this linker, beside the share of questions it was measured on;
* ms: median and 95th percentile of the processor time that linking takes, the embedder included.

`--absent` takes questions of another corpus: there is little to find, and what is found by spelling is shown.
"""

import argparse
import random
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from time import process_time
from typing import Any, Final

import numpy as np

from hippograph import HippoGraph
from hippograph.evaluation.datasets import Question, QuestionSet, load_questions
from hippograph.evaluation.experiment import evaluate
from hippograph.protocols import Embedder
from hippograph.retrieve.linking import EntityLink, EntityLinker
from hippograph.retrieve.pagerank import PageRankRetriever
from hippograph.store.snapshot import Snapshot
from hippograph.text.normalization import fold_diacritics

LINKERS: Final = {"all": EntityLinker(), "exact": EntityLinker(spelling=False)}
Alter = Callable[[str, random.Random], str]

_ACCENTED: Final = dict(zip("aceinouyAEIOU", "áçéíñóúýÁÉÍÓÚ", strict=True))
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_ROMAN: Final = {"II": "2", "III": "3", "IV": "4", "V": "5", "VI": "6", "VII": "7", "VIII": "8"}


def typo(name: str, chance: random.Random) -> str:
    """Put in, leave out, replace or exchange a letter of the longest word, but not its first one."""
    word = max(re.findall(r"\w+", name) or [""], key=len)
    if len(word) < 4:
        return name
    at = chance.randrange(1, len(word) - 1)
    letter = chance.choice(_LETTERS)
    altered = chance.choice(
        [
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[:at] + letter + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        ]
    )
    return name.replace(word, altered, 1)


def two_typos(name: str, chance: random.Random) -> str:
    """Do that twice."""
    return typo(typo(name, chance), chance)


def unaccented(name: str, chance: random.Random) -> str:
    """Leave diacritics out."""
    bare = unicodedata.normalize("NFD", name)
    return "".join(fold_diacritics(letter) for letter in bare if unicodedata.category(letter) != "Mn")


def accented(name: str, chance: random.Random) -> str:
    """Put a diacritic on one letter."""
    places = [place for place, letter in enumerate(name) if letter in _ACCENTED]
    if not places:
        return name
    at = chance.choice(places)
    return name[:at] + _ACCENTED[name[at]] + name[at + 1 :]


def joined(name: str, chance: random.Random) -> str:
    """Write two words as one, or with a hyphen."""
    return re.sub(r"(?<=\w)[ -](?=\w)", chance.choice(["", "-"]), name, count=1)


def unpunctuated(name: str, chance: random.Random) -> str:
    """Leave apostrophes, dots, commas and hyphens out."""
    return re.sub(r"[’'.,]", "", name).replace("-", " ")


def odd_capitals(name: str, chance: random.Random) -> str:
    """Begin every run of letters with a capital, all else small: Lothair Ii, God'S Gift."""
    return re.sub(r"[^\W\d_]+", lambda found: found[0].capitalize(), name)


def possessive(name: str, chance: random.Random) -> str:
    """Add the ending of a possessive, with either apostrophe or without."""
    return name + chance.choice(["'s", "’s", "s"])


def numerals(name: str, chance: random.Random) -> str:
    """Write Roman numerals as Arabic ones."""
    return re.sub(r"\b[IVX]+\b", lambda found: _ROMAN.get(found[0], found[0]), name)


NAMES: Final[dict[str, Alter]] = {
    "typo": typo, "two typos": two_typos, "no accents": unaccented, "accent": accented, "joined": joined,
    "no punctuation": unpunctuated, "odd capitals": odd_capitals, "possessive": possessive, "numerals": numerals,
}  # fmt: skip
WHOLE: Final[dict[str, tuple[Alter | None, Callable[[str], str]]]] = {
    "as it is": (None, str),
    "all lower case": (None, str.lower),
    "ALL CAPITALS": (None, str.upper),
    "lower case, typo": (typo, str.lower),
}


@dataclass(frozen=True)
class Altered:
    """A question written otherwise, and the names that were altered in it."""

    question: Question
    names: frozenset[int]


def names_in(text: str, links: Sequence[EntityLink]) -> list[EntityLink]:
    """List the links that stand for a name: the query writes it with a capital, and not as its first word."""
    found = [link for link in links if link.reason == "mention" and link.start and text[link.start].isupper()]
    return sorted(found, key=lambda link: link.start)


def alter(question: Question, names: Sequence[EntityLink], way: str) -> Altered:
    """Write the names in a question in another way; the same each time."""
    chance = random.Random(f"{way} {question.id}")
    on_name, on_all = (NAMES[way], str) if way in NAMES else WHOLE[way]
    text, at, changed = "", 0, set()
    for link in names:
        name = question.text[link.start : link.end]
        # A possessive ending belongs to the token.
        name = re.sub(r"['’][sS]$", "", name)
        other = on_name(name, chance) if on_name else name
        text += question.text[at : link.start] + other
        at = link.start + len(name)
        if other != name or not on_name:
            changed.add(link.entity)
    return Altered(replace(question, text=on_all(text + question.text[at:])), frozenset(changed))


def timed(linker: EntityLinker, text: str, snapshot: Snapshot, embedder: Embedder) -> tuple[list[EntityLink], float]:
    """Link a question, and tell how many milliseconds that takes."""
    began = process_time()
    links = linker.link(text, snapshot, embedder)
    return links, 1000 * (process_time() - began)


def rows(given: argparse.Namespace, index: HippoGraph, questions: Sequence[Question]) -> Iterator[list[Any]]:
    """Yield the rows of the table: way, linker, questions, found, astray, recall, milliseconds."""
    snapshot, embedder = index.parts.snapshot, index.indexer.embedder
    plain = {asked.id: LINKERS["exact"].link(asked.text, snapshot, embedder) for asked in questions}
    for way in given.way or [*WHOLE, *NAMES]:
        altered = [alter(asked, names_in(asked.text, plain[asked.id]), way) for asked in questions]
        altered = [one for one in altered if one.names]
        if not altered:
            continue
        for name in given.linker or list(LINKERS):
            linker = LINKERS[name]
            linker.link("Warm up Zyxwvut", snapshot, embedder)
            hit = total = strange = 0
            times = []
            for one in altered:
                links, milliseconds = timed(linker, one.question.text, snapshot, embedder)
                times.append(milliseconds)
                entities = {link.entity for link in links}
                known = {link.entity for link in plain[one.question.id]}
                hit, total = hit + len(entities & one.names), total + len(one.names)
                strange += len(entities - known)
                if given.show:
                    show(one.question.text, [link for link in links if link.entity not in known], snapshot)
                    missed = [snapshot.entity_names[entity] for entity in sorted(one.names - entities)]
                    if missed:
                        print(f"    {one.question.text}: {missed} not found")
            recall = float("nan")
            if given.recall:
                retriever = PageRankRetriever(snapshot=snapshot, embedder=embedder, entities=linker)
                asked = QuestionSet(questions=tuple(one.question for one in altered))
                recall = evaluate(retriever, asked, resamples=0).recall[5]
            speed = np.percentile(times, [50, 95]).tolist()
            yield [way, name, len(altered), hit / total, 100 * strange / len(altered), recall, *speed]


def show(text: str, links: Sequence[EntityLink], snapshot: Snapshot) -> None:
    """Print what some words of a question are linked to."""
    for link in links:
        name = snapshot.entity_names[link.entity]
        print(f"    {text[link.start : link.end]!r} -> {name!r} ({link.reason}, {link.confidence:.2f})")


def main() -> int:
    """Run the benchmark and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", help="an index directory")
    parser.add_argument("questions", help="questions with gold, as `hippograph evaluate` reads them")
    parser.add_argument("--linker", action="append", choices=list(LINKERS), help="by default each of them")
    parser.add_argument("--way", action="append", choices=[*WHOLE, *NAMES], help="by default each of them")
    parser.add_argument("--most", type=int, default=100, help="how many questions")
    parser.add_argument("--no-recall", dest="recall", action="store_false", help="do not retrieve")
    parser.add_argument("--show", action="store_true", help="print what leads astray and what is missed")
    parser.add_argument("--absent", action="store_true", help="print what is found by spelling; for another corpus")
    given = parser.parse_args()
    index = HippoGraph(given.index)
    questions = load_questions(given.questions).questions[: given.most]
    if given.absent:
        for asked in questions:
            links = LINKERS["all"].link(asked.text, index.parts.snapshot, index.indexer.embedder)
            show(asked.text, [link for link in links if link.reason != "mention"], index.parts.snapshot)
        return 0
    print(f"{'':18} {'linker':7} {'n':>4} {'found':>6} {'astray':>6} {'R@5':>6} {'ms p50':>7} {'p95':>7}")
    for _, group in groupby(rows(given, index, questions), key=lambda row: row[0]):
        for way, name, n, found, astray, recall, middle, slow in group:
            print(
                f"{way:18} {name:7} {n:4} {found:6.1%} {astray:6.1f} {recall:6.1%} {middle:7.2f} {slow:7.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
