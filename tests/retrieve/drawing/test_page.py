"""Pages and drawings: whole, alone, and harmless whatever the index holds."""

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given

from hippograph.retrieve.drawing.markup import Markup, element
from hippograph.retrieve.drawing.page import accounted_for, page, settled
from hippograph.retrieve.drawing.walk import draw
from hippograph.retrieve.explain import explain
from hippograph.types import (
    ExplainedSeed,
    Explanation,
    LinkedTriple,
    MapNode,
    OtherSeeds,
    Recognition,
    Triple,
    WalkMap,
)
from tests.retrieve.drawing.maps import NASTY, explained, labels, maps

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "img", "br"}


class Elements(HTMLParser):
    """Lists elements and attributes, and checks that what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@given(maps(), labels)
def test_a_drawing_is_one_svg_that_refers_to_nothing(drawn, query):
    root = ElementTree.fromstring(draw(explained(drawn, query)))
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    named = {one.get("id") for one in root.iter()} - {None}
    assert set((root.get("aria-labelledby") or "").split()) == named
    for one in root.iter():
        assert one.tag.removeprefix(SVG) in {"svg", "title", "desc", "style", "rect", "g", "path", "text", "circle"}
        assert not any(name.startswith("on") or "href" in name or name == "style" for name in one.attrib)
    boxes = [one for one in root.iter(f"{SVG}g") if one.find(f"{SVG}title") is not None]
    assert len(boxes) == len(drawn.nodes)


@given(maps(), labels)
def test_no_text_of_the_index_becomes_markup(drawn, query):
    elements = Elements(page(explained(drawn, query)))
    assert elements.open == []
    names = {name for name, _ in elements.found}
    assert not names & {"script", "img", "iframe", "link", "a", "object", "embed", "base", "form"}
    for _, attributes in elements.found:
        assert not any(name.startswith("on") or name in {"src", "href", "style"} for name in attributes)


def test_everything_is_escaped_wherever_it_stands():
    nasty = NASTY[0]
    plain = explained(WalkMap())
    text = page(
        Explanation(
            query=nasty,
            hits=plain.hits,
            walked=True,
            triples=(LinkedTriple(triple=Triple(nasty, nasty, nasty), similarity=0.5, kept=True),),
            recognition=Recognition(status="failed", error=nasty),
            timings={nasty: 1.0},
        )
    )
    assert nasty not in text
    assert text.count("&lt;script&gt;alert(1)") >= 7


def test_the_policy_allows_the_styles_of_the_page_and_nothing_else(toy_explanation):
    text = page(toy_explanation)
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    styles = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)
    assert len(styles) == 2
    digests = [f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" for style in styles]
    assert policy == f"default-src 'none'; style-src {' '.join(digests)}; base-uri 'none'; form-action 'none'"
    assert "url(" not in text
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]


@pytest.fixture
def toy_explanation(small) -> Explanation:
    from tests.retrieve.test_explain import walker

    snapshot = small.parts.snapshot
    return explain(walker(snapshot, "Fram", "Larvik"), "Who built it?", snapshot=snapshot, k=3, passage="gjoa")


def test_a_page_tells_all_there_is(toy_explanation):
    text = page(toy_explanation)
    for said in ("Who built it?", "Fram (ship)", "— title of →", "was built by", "Seeds", "explain", "walk"):
        assert said in text
    assert text.count("<details") == 4
    assert text.count("<details open") == 2


def test_a_ranking_without_a_walk_is_a_page_too(small):
    explanation = explain(small.parts.retriever("dense"), "Fram", snapshot=small.parts.snapshot, k=2)
    text = page(explanation)
    assert "did not walk" in text
    assert "<svg" not in text
    assert "There was no walk to draw." in draw(explanation)


def test_markup_is_made_of_elements_only():
    assert element("b", "<", Markup("<i></i>"), title='"') == '<b title="&quot;">&lt;<i></i></b>'


def test_a_second_walk_is_told_and_its_seeds_are_marked():
    why = "dense, first walk"
    node = MapNode(node="fram", kind="passage", label="Fram (ship)", weight=0.625, mass=0.5, place=1, reason=why)
    plain = explained(WalkMap(nodes=(node,)))
    seed = ExplainedSeed(node="fram", kind="passage", label="Fram (ship)", weight=0.625, mass=0.5, reason=why)
    again = replace(plain, seeds=(seed,), other_seeds=OtherSeeds(count=3, weight=0.375, mass=0.1))
    text = page(again)
    assert "It is the second walk: 62.5% of its restarts" in text
    assert '<span class="found">dense, first walk</span>' in text
    assert '<g class="passage seed found">' in draw(again)
    assert "seed that the first walk found" in draw(again)
    assert "3 more seeds" in text
    once = replace(again, seeds=(replace(seed, reason="dense"),), map=WalkMap())
    assert "second walk" not in page(once)
    assert "first walk" not in page(once)


def test_what_is_not_accounted_for_and_scores_that_are_no_masses_are_told():
    [hit] = explained(WalkMap()).hits
    hits = (replace(hit, accounted=True, mass=0.5), replace(hit, place=2, score=0.25, mass=0.2501))
    explanation = Explanation(query="q", hits=hits, walked=True, accounted=1)
    assert accounted_for(explanation) == ["Paths of the first 1 hits; sums over hits are over the first 1."]
    assert settled(explanation)
    assert page(explanation).count("<details") == 1
    whole = replace(explanation, hits=(hits[0],))
    assert (accounted_for(whole), settled(whole)) == ([], [])
    assert (accounted_for(replace(explanation, walked=False)), settled(replace(explanation, walked=False))) == ([], [])
