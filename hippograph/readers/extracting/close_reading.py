"""An answer taken from sentences as they stand: which of them are read closely, and what in them is the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from hippograph.readers.extracting.candidates import Candidate, Scene, candidates, features
from hippograph.readers.extracting.comparing import Verdict, compared
from hippograph.readers.extracting.lines import Line, Wording, coverage, lines_of
from hippograph.readers.extracting.mentions import MentionFinder
from hippograph.readers.extracting.question_types import QuestionType, question_type
from hippograph.readers.extracting.subjects import Subjects
from hippograph.types import DoubleArray, Passage

__all__ = ["SPAN_WEIGHTS", "Extract", "Scoring", "extracted", "scene_of"]

Scoring: TypeAlias = Callable[[Sequence[tuple[str, str]]], Sequence[float]]
"""Scores pairs of a question and a sentence, as a cross-encoder does."""

SPAN_WEIGHTS: Final[Mapping[str, tuple[float, float]]] = {
    "asked before": (1.22, 0.48),
    "asked in sentence": (0.39, 1.12),
    "behind by": (1.05, -0.15),
    "behind in": (0.62, 0.86),
    "birth or death as asked": (0.63, 1.67),
    "birth or death not as asked": (-0.64, -0.64),
    "coverage": (0.41, 0.21),
    "first sentence": (0.80, 0.92),
    "holds the noun": (1.21, 0.31),
    "kind fits": (1.26, 1.68),
    "linked": (0.64, 1.56),
    "mentioned elsewhere": (0.28, -0.25),
    "named": (-0.17, -0.87),
    "rank": (-0.16, -1.24),
    "score below best": (1.51, 0.54),
    "tie": (0.06, 2.49),
    "words": (0.52, 0.93),
}
r"""What each feature of a candidate counts: for questions about what they name, and about what that leads to.

A log-linear model over the candidates of a question: the weights under which those that agree best with the accepted
answers are likeliest, less the sum of their squares. Fitted to 100 questions of MuSiQue and 117 of 2WikiMultihopQA,
both from the training sets (`musique_train100`; of `2wiki_train500` those of the first 250 that ask for a span), and to
158 of their sub-questions, with passages of the default retriever, by

    python benchmarks/fit_extractive.py --set musique_train100.hippo musique_train100/questions.json \
        --set 2wiki_train500.hippo 2wiki_train500/questions.json

which now gives weights that differ by 0.02 at most, and the same EM and F1: the cross-encoder read 512 tokens then, and
spaCy's names were not yet cut at both ends. `2wiki_dev101` and `hotpotqa_train100` took no part in the fit, and none of
their questions is among those fitted to; but features were chosen while looking at errors there. The
sub-questions that were kept out are mostly steps of questions that were fitted to, so they tell less.
"""

# What speaks for reading a sentence closely beside the words that it shares with the question.
_TIE: Final = 0.5
_FIRST: Final = 0.1
# A sentence with all words of a question is about so many logits better than one with none.
_LEXICAL: Final = 10.0
# Features that a reason tells.
_TOLD: Final = 3


@dataclass(frozen=True, kw_only=True)
class Extract:
    """What is said in answer to a question.

    Parameters
    ----------
    text
        The answer.
    kind
        A `span` of a sentence, the verdict of a `comparison`, or a whole `sentence`.
    lines
        The sentences that it rests on; the one with the answer first.
    reason
        Why this and nothing else.
    certainty
        0 to 1: of a span, its share among all that might be the answer; of a comparison 1 if what is compared was found
        about both; of a sentence 0.
    """

    text: str
    kind: Literal["span", "comparison", "sentence"]
    lines: tuple[Line, ...]
    reason: str
    certainty: float


def scene_of(question: str, passages: Sequence[Passage], *, score: Scoring | None, most: int) -> Scene:
    """Choose the sentences to be read closely, and have them scored.

    Parameters
    ----------
    question
        The question.
    passages
        What was found for it, best first.
    score
        Scores pairs of the question and a sentence under its title; None takes the words that they share for it.
    most
        How many sentences are read closely.

    Examples
    --------
    >>> fram = Passage(id="fram", document="fram", title="Fram", text="She is a ship. She was built by Archer.")
    >>> scene = scene_of("Who built the Fram?", [fram], score=None, most=1)
    >>> [line.text for line in scene.lines], scene.type.kind
    (['She was built by Archer.'], 'person')
    """
    type, wording = question_type(question), Wording(question=question)
    lines = lines_of(passages)
    subjects = Subjects(wording=wording, passages=passages, lines=lines)
    cover = coverage(wording, lines)
    worth = [
        share + _TIE * subjects.linked.get(line.place, 0.0) + 1 / (1 + line.place) + _FIRST * (line.number == 0)
        for line, share in zip(lines, cover, strict=True)
    ]
    chosen = sorted(sorted(range(len(lines)), key=lambda at: (-worth[at], at))[:most])
    close = [lines[at] for at in chosen]
    if score is None:
        scores = [_LEXICAL * cover[at] for at in chosen]
    else:
        scores = [float(one) for one in score([(question, line.headed) for line in close])]
    return Scene(
        type=type, wording=wording, subjects=subjects, lines=close, scores=scores, cover=[cover[at] for at in chosen]
    )


def extracted(scene: Scene, *, mentions: MentionFinder) -> Extract | None:
    """Answer a question from its sentences; None if there are none.

    Questions about two things are answered by what is told of each; others by the name, date, number or phrase for
    which most speaks. Where there is none of the kind that is asked for, the best sentence is the answer.

    Parameters
    ----------
    scene
        The question and its sentences.
    mentions
        Finds names and phrases in sentences.
    """
    if not scene.lines:
        return None
    if scene.type.kind in {"choice", "yes or no"}:
        verdict = compared(scene.type, scene.wording, scene.subjects)
        return _of_verdict(verdict) if verdict is not None else _likelier(scene)
    if scene.type.kind != "unknown":
        found = candidates(scene, mentions([line.text for line in scene.lines]))
        if found:
            return _of_span(scene, found)
    return _sentence(scene, "nothing of the kind that is asked for was found")


def _of_verdict(verdict: Verdict) -> Extract:
    return Extract(
        text=verdict.text, kind="comparison", lines=verdict.lines, reason=verdict.reason, certainty=float(verdict.sure)
    )


def _likelier(scene: Scene) -> Extract:
    """Of two things that nothing tells apart, choose the one whose sentences are nearest to the question."""
    order = _order(scene)
    for at in order:
        for choice in scene.type.choices if scene.type.kind == "choice" else ():
            if Wording(question=choice).families & scene.lines[at].headed_families:
                reason = "nothing tells them apart; the nearest sentence speaks of it"
                return Extract(text=choice, kind="comparison", lines=(scene.lines[at],), reason=reason, certainty=0.0)
    return _sentence(scene, "nothing to compare was found")


def _order(scene: Scene) -> list[int]:
    return sorted(range(len(scene.lines)), key=lambda at: (-scene.scores[at], -scene.cover[at], at))


def _sentence(scene: Scene, reason: str) -> Extract:
    line = scene.lines[_order(scene)[0]]
    return Extract(text=line.text, kind="sentence", lines=(line,), reason=reason, certainty=0.0)


def _of_span(scene: Scene, found: Sequence[Candidate]) -> Extract:
    counted = [_counted(scene, told) for told in features(scene, found)]
    worth: DoubleArray = np.array([sum(one.values()) for one in counted])
    best = min(range(len(found)), key=lambda at: (-worth[at], at))
    shares = np.exp(worth - worth[best])
    same = sum(share for one, share in zip(found, shares, strict=True) if one.key == found[best].key)
    return Extract(
        text=found[best].text,
        kind="span",
        lines=(found[best].line, *_leading(scene, found[best].line)),
        reason=_reason(scene.type, counted[best]),
        certainty=float(same / shares.sum()),
    )


def _counted(scene: Scene, told: Mapping[str, float]) -> dict[str, float]:
    """Return what each feature counts for a candidate."""
    return {name: SPAN_WEIGHTS[name][scene.subjects.leads] * value for name, value in told.items()}


def _leading(scene: Scene, line: Line) -> list[Line]:
    """Return the sentence that led to the one with the answer, from a passage that the question names."""
    if line.place in scene.subjects.linked:
        link = scene.subjects.link_line(line.place)
        return [link] if link is not None else []
    others = [at for at in _order(scene) if scene.lines[at].place != line.place]
    named = [at for at in others if scene.lines[at].place in scene.subjects.named]
    return [scene.lines[at] for at in (named or others)[:1]]


def _reason(type: QuestionType, counted: Mapping[str, float]) -> str:
    most = sorted((name for name in counted if counted[name] > 0), key=lambda name: (-counted[name], name))[:_TOLD]
    wanted = f"{type.kind} ({type.noun})" if type.noun else type.kind
    return f"asked for: {wanted}; for this speak: {', '.join(most) or 'nothing more than for others'}"
