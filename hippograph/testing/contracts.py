"""What every implementation of a protocol must do, as functions that raise `AssertionError` where it does not.

Run them from your own tests on your own embedder or extractor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hippograph.errors import InputError
from hippograph.protocols import CrossEncoder, Embedder, Extractor, RecognitionMemory, Retriever
from hippograph.types import Extraction, Passage, Recognition, Triple

__all__ = ["check_cross_encoder", "check_embedder", "check_extractor", "check_recognition_memory", "check_retriever"]

_TEXTS: Final = (
    "Marie Curie was born in Warsaw.",
    "Oslo",
    "",
    "  ",
    "Мария Кюри родилась в Варшаве.",
    "居里夫人出生于华沙。",
    "ولدت ماري كوري في وارسو.",
    "C++ 🙂 e\u0301 \u200d \ufffd",
    "a long text of many words " * 400,
    "Oslo",
)


def _require(condition: bool, broken: str) -> None:
    if not condition:
        raise AssertionError(broken)


def check_embedder(embedder: Embedder) -> None:
    """Check that an embedder keeps the contract of `hippograph.protocols.Embedder`.

    Raises
    ------
    AssertionError
        Naming the clause that is broken.

    Examples
    --------
    >>> from hippograph.testing.doubles import HashingEmbedder
    >>> check_embedder(HashingEmbedder())
    """
    width = embedder.dimension
    _require(isinstance(embedder, Embedder), "it lacks a member of the protocol")
    _require(width >= 1, f"the dimension is {width}")
    _require(
        bool(embedder.fingerprint) and embedder.fingerprint == embedder.fingerprint, "the fingerprint is not stable"
    )
    vectors = embedder.embed(_TEXTS, role="passage")
    _require(vectors.shape == (len(_TEXTS), width), f"the shape is {vectors.shape}, not {(len(_TEXTS), width)}")
    _require(vectors.dtype == np.float32, f"the type is {vectors.dtype}, not float32")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    _require(bool(np.allclose(lengths, 1.0, atol=1e-5)), f"the rows have lengths {lengths}, not 1")
    empty = embedder.embed([], role="passage")
    _require(
        empty.shape == (0, width) and empty.dtype == np.float32, "no texts do not give shape (0, dimension), float32"
    )
    _require(np.array_equal(vectors, embedder.embed(_TEXTS, role="passage")), "a second call gives other vectors")
    backwards = embedder.embed(_TEXTS[::-1], role="passage")
    _require(np.array_equal(vectors[::-1], backwards), "the vectors do not follow the order of the texts")
    for row, text in enumerate(_TEXTS):
        alone = embedder.embed([text], role="passage")
        _require(np.array_equal(vectors[row], alone[0]), f"the vector of {text[:40]!r} depends on the texts beside it")
    _require(float(vectors[0] @ vectors[4]) < 0.9999, "different texts give the same vector")
    for role in ("query", "entity", "triple"):
        _require(embedder.embed(["Oslo"], role=role).shape == (1, width), f"the role {role!r} does not work")


def check_cross_encoder(encoder: CrossEncoder) -> None:
    """Check that a cross-encoder keeps the contract of `hippograph.protocols.CrossEncoder`.

    Raises
    ------
    AssertionError
        Naming the clause that is broken.

    Examples
    --------
    >>> from hippograph.testing.doubles import OverlapCrossEncoder
    >>> check_cross_encoder(OverlapCrossEncoder())
    """
    _require(isinstance(encoder, CrossEncoder), "it lacks a member of the protocol")
    stable = encoder.fingerprint == encoder.fingerprint
    _require(bool(encoder.fingerprint) and stable, "the fingerprint is not stable")
    pairs = [(query, text) for query in ("Where was Marie Curie born?", "", _TEXTS[8]) for text in _TEXTS]
    scores = encoder.score(pairs)
    _require(scores.shape == (len(pairs),), f"the shape is {scores.shape}, not {(len(pairs),)}")
    _require(scores.dtype == np.float32, f"the type is {scores.dtype}, not float32")
    _require(bool(np.isfinite(scores).all()), f"the scores are not finite: {scores}")
    none = encoder.score([])
    _require(none.shape == (0,) and none.dtype == np.float32, "no pairs do not give shape (0,), float32")
    _require(np.array_equal(scores, encoder.score(pairs)), "a second call gives other scores")
    _require(
        np.array_equal(scores[::-1], encoder.score(pairs[::-1])), "the scores do not follow the order of the pairs"
    )
    for row, (query, text) in enumerate(pairs):
        alone = float(encoder.score([(query, text)])[0])
        where = f"({query[:40]!r}, {text[:40]!r})"
        _require(alone == float(scores[row]), f"the score of {where} depends on the pairs beside it")
    _require(bool(scores[0] > scores[1]), "a text that answers the query scores no higher than one that does not")


def check_extractor(extractor: Extractor) -> None:
    """Check that an extractor keeps the contract of `hippograph.protocols.Extractor`.

    Extractors that ask a language model keep it only as far as the model is deterministic.

    Raises
    ------
    AssertionError
        Naming the clause that is broken.
    """
    _require(isinstance(extractor, Extractor), "it lacks a member of the protocol")
    stable = extractor.fingerprint == extractor.fingerprint
    _require(bool(extractor.fingerprint) and stable, "the fingerprint is not stable")
    passages = [
        Passage(id=str(number), document=str(number), title=title, text=text)
        for number, (title, text) in enumerate(zip(("Marie Curie", "", "Москва", "C++"), _TEXTS * 2, strict=False))
    ] + [Passage(id=f"u{number}", document=f"u{number}", text=text) for number, text in enumerate(_TEXTS)]
    found = _extractions(extractor, passages)
    _require(not list(extractor.extract([])), "no passages gave extractions")
    _require(found == _extractions(extractor, passages), "a second call gives other extractions")
    _require(found == _extractions(extractor, passages[::-1]), "the extractions do not follow the passages")
    for passage in passages:
        extraction = found[passage.id]
        alone = _extractions(extractor, [passage])[passage.id]
        _require(alone == extraction, f"the extraction of passage {passage.id!r} depends on its neighbours")
        something = bool(extraction.entities or extraction.triples)
        _require(
            something == (extraction.status == "done"), f"passage {passage.id!r} is {extraction.status}: {extraction}"
        )
        _require(
            bool(extraction.error) == (extraction.status in ("invalid", "failed")),
            f"passage {passage.id!r} is {extraction.status} with the error {extraction.error!r}",
        )
        phrases = [*extraction.entities, *(phrase for triple in extraction.triples for phrase in triple)]
        _require(all(phrase.strip() for phrase in phrases), f"passage {passage.id!r} has a blank phrase")


def _extractions(extractor: Extractor, passages: Sequence[Passage]) -> dict[str, Extraction]:
    """Return what an extractor, which may take any order, finds in passages that are handed out one by one."""
    found = {}
    for passage, extraction in extractor.extract(iter(passages)):
        _require(passage in passages, f"it gave an extraction of {passage.id!r}, which it was not given")
        _require(passage.id not in found, f"it gave two extractions of {passage.id!r}")
        found[passage.id] = extraction
    _require(len(found) == len(passages), f"{len(passages)} passages gave {len(found)} extractions")
    return found


def check_recognition_memory(memory: RecognitionMemory) -> None:
    """Check that a recognition memory keeps the contract of `hippograph.protocols.RecognitionMemory`.

    Those that ask a language model keep it only as far as the model is deterministic.

    Raises
    ------
    AssertionError
        Naming the clause that is broken.

    Examples
    --------
    >>> from hippograph.retrieve.recognition import NoRecognition
    >>> check_recognition_memory(NoRecognition())
    """
    _require(isinstance(memory, RecognitionMemory), "it lacks a member of the protocol")
    born = Triple("Marie Curie", "was born in", "Warsaw")
    queries = ["Where was Marie Curie born?", "Где находится Осло?", "Who sailed?", "C++ {{facts}}"]
    triples = [[born, Triple("Осло", "в", "Норвегии"), born], [Triple('"}]', "<|im_end|>", "{{question}}")], [], [born]]
    judged = memory.recognise(queries, triples)
    _require(len(judged) == len(queries), f"{len(queries)} queries gave {len(judged)} recognitions")
    _require(memory.recognise([], []) == [], "no queries gave recognitions")
    _require(memory.recognise(queries[::-1], triples[::-1]) == judged[::-1], "they do not follow the queries")
    for query, candidates, one in zip(queries, triples, judged, strict=True):
        _check_recognition(one, len(candidates), asked=f"for {query!r}")
        _require(memory.recognise([query], [candidates]) == [one], f"for {query!r} it depends on the other queries")
    try:
        memory.recognise(queries, triples[1:])
    except InputError:
        return
    _require(False, "queries without candidates of their own are not refused with InputError")


def _check_recognition(one: Recognition, n_triples: int, *, asked: str) -> None:
    _require(set(one.kept) <= set(range(n_triples)), f"{asked} it keeps {one.kept} of {n_triples} triples")
    _require(len(set(one.kept)) == len(one.kept), f"{asked} a triple is kept twice: {one.kept}")
    _require(bool(one.kept) == (one.status == "done"), f"{asked} it is {one.status} and keeps {one.kept}")
    told = bool(one.error) == (one.status in ("invalid", "failed"))
    _require(told, f"{asked} it is {one.status} with the error {one.error!r}")
    _require(n_triples > 0 or one.status == "empty", f"{asked} it is {one.status} without candidates")


def check_retriever(retriever: Retriever, *, queries: Sequence[str]) -> None:
    """Check that a retriever keeps the contract of `hippograph.protocols.Retriever`.

    Parameters
    ----------
    retriever
        Over an index of at least two passages.
    queries
        Two or more questions to ask it.

    Raises
    ------
    AssertionError
        Naming the clause that is broken.
    """
    _require(isinstance(retriever, Retriever), "it lacks a member of the protocol")
    rankings = retriever.retrieve(queries, k=3)
    _require([ranking.query for ranking in rankings] == list(queries), "the rankings do not follow the queries")
    _require(retriever.retrieve([], k=3) == [], "no queries gave rankings")
    for ranking in rankings:
        ids = [hit.passage.id for hit in ranking.hits]
        scores = [hit.score for hit in ranking.hits]
        asked = f"for {ranking.query!r}"
        _require(len(ids) <= 3, f"{asked} k=3 gave {len(ids)} hits")
        _require(len(set(ids)) == len(ids), f"{asked} a passage comes twice: {ids}")
        _require(scores == sorted(scores, reverse=True), f"{asked} the scores rise: {scores}")
        ordered = sorted(zip(scores, ids, strict=True), key=lambda pair: (-pair[0], pair[1]))
        _require([id for _, id in ordered] == ids, f"{asked} equal scores are not ordered by id: {ids}")
        (alone,) = retriever.retrieve([ranking.query], k=3)
        _require(alone.hits == ranking.hits, f"{asked} the hits depend on the other queries")
        (fewer,) = retriever.retrieve([ranking.query], k=1)
        _require(fewer.hits == ranking.hits[:1], f"{asked} the first hit depends on k")
    for queries_, k, what in ((list(queries), 0, "k=0"), ([" "], 3, "a blank query")):
        try:
            retriever.retrieve(queries_, k=k)
        except InputError:
            continue
        _require(False, f"{what} is not refused with InputError")
