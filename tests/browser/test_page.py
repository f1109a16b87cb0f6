"""The page of an explanation as a browser shows it."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from hippograph.hippograph import HippoGraph
from hippograph.retrieve.drawing.page import page
from hippograph.retrieve.explain import explain
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.testing.toy_corpus import toy_passages
from hippograph.types import Explanation, Passage
from tests.browser.chromium import Tab, chromium
from tests.retrieve.test_explain import walker

pytestmark = pytest.mark.browser

NASTY = [
    Passage(
        id="x1", document="x1", title="<script>alert('t')</script>", text="Jorund Hale <img src=x onerror=alert(1)>"
    ),
    Passage(
        id="x2", document="x2", title='"><svg onload=alert(2)>', text="Jorund Hale & Ilja. </svg><script>1</script>"
    ),
    Passage(id="x3", document="x3", title="شركة جوروند هيل للملاحة", text="Jorund Hale."),
    Passage(id="x4", document="x4", title="乔伦德·黑尔与海上的漫长航行的故事以及其他许多故事", text="Jorund Hale."),
]
BOXES = """
[...document.querySelectorAll("figure svg g")].filter(g => g.querySelector("title")).map(g => {
  const box = g.querySelector("rect").getBoundingClientRect();
  return {box: [box.left, box.top, box.right, box.bottom], texts: [...g.querySelectorAll("text")].map(text => {
    const drawn = text.getBoundingClientRect(), style = getComputedStyle(text);
    return {text: text.textContent, box: [drawn.left, drawn.top, drawn.right, drawn.bottom],
            shown: style.visibility === "visible" && style.display !== "none" && style.opacity !== "0"};
  })};
})
"""


@pytest.fixture(scope="module")
def explanation(tmp_path_factory: pytest.TempPathFactory) -> Explanation:
    place = tmp_path_factory.mktemp("pages") / "toy.hippo"
    with HippoGraph(place, extractor=CapitalsExtractor(), embedder=HashingEmbedder()) as hippograph:
        hippograph.index([*toy_passages(), *NASTY])
        snapshot = hippograph.parts.snapshot
        retriever = walker(snapshot, "Jorund Hale", "Ilja")
        return explain(retriever, "Who is <b>Jorund Hale</b>?", snapshot=snapshot, k=8, passage="x3")


@pytest.fixture(scope="module")
def file(explanation: Explanation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("pages") / "why.html"
    written.write_text(page(explanation), encoding="utf-8")
    return written


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("chromium") / "profile") as opened:
        yield opened


def test_nothing_is_wrong_and_nothing_is_fetched(tab: Tab, file: Path) -> None:
    tab.size(1280, 900)
    tab.open(file)
    assert tab.happened("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []
    assert tab.happened("Page.javascriptDialogOpening") == []
    asked = [event["request"]["url"] for event in tab.happened("Network.requestWillBeSent")]
    assert asked == [file.resolve().as_uri()]
    assert tab.evaluate("document.scripts.length + document.images.length") == 0
    assert tab.evaluate("document.title") == "Why: Who is <b>Jorund Hale</b>?"


def test_the_policy_holds(tab: Tab, file: Path) -> None:
    tab.open(file)
    inject = "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    tab.evaluate(inject)
    assert tab.evaluate("window.ran") is None
    assert "Content Security Policy" in str(tab.happened("Log.entryAdded"))


@pytest.mark.parametrize("wide", [1280, 820])
def test_nodes_and_labels_can_be_read(tab: Tab, file: Path, explanation: Explanation, wide: int) -> None:
    tab.size(wide, 900)
    tab.open(file)
    nodes = tab.evaluate(BOXES)
    left, top, right, bottom = tab.evaluate(
        "(b => [b.left, b.top, b.right, b.bottom])(document.querySelector('figure svg').getBoundingClientRect())"
    )
    assert len(nodes) == len(explanation.map.nodes) > 8
    for node in nodes:
        for text in node["texts"]:
            assert text["shown"], text
            assert text["box"][2] > text["box"][0], text
            assert node["box"][0] <= text["box"][0], text
            assert text["box"][2] <= node["box"][2] + 0.5, text
            assert node["box"][1] - 2 <= text["box"][1], text
            assert text["box"][3] <= node["box"][3] + 2, text
        assert left <= node["box"][0] < node["box"][2] <= right
        assert top <= node["box"][1] < node["box"][3] <= bottom
    for one, other in combinations(nodes, 2):
        a, b = one["box"], other["box"]
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize("wide", [1280, 600])
def test_no_text_leaves_the_drawing_and_the_page_does_not_scroll_sideways(tab: Tab, file: Path, wide: int) -> None:
    tab.size(wide, 900)
    tab.open(file)
    outside = """
    (() => { const svg = document.querySelector("figure svg").getBoundingClientRect();
    return [...document.querySelectorAll("figure svg text")]
      .map(text => [text.textContent, text.getBoundingClientRect()])
      .filter(([_, b]) => b.left < svg.left || b.right > svg.right + .5 || b.top < svg.top || b.bottom > svg.bottom)
      .map(([text]) => text); })()
    """
    assert tab.evaluate(outside) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= wide


@pytest.mark.parametrize("dark", [False, True])
def test_the_picture_is_not_blank_in_light_and_dark(tab: Tab, file: Path, dark: bool) -> None:
    tab.size(1280, 900)
    tab.dark(dark)
    tab.open(file)
    ground = tab.evaluate("getComputedStyle(document.querySelector('.ground')).fill")
    ink = tab.evaluate("getComputedStyle(document.querySelector('.label')).fill")
    assert (ground, ink) == (
        ("rgb(20, 25, 31)", "rgb(230, 235, 241)") if dark else ("rgb(255, 255, 255)", "rgb(29, 37, 48)")
    )
    colours = tab.colours()
    assert len(colours) > 50
    assert max(colours.values()) < 0.9 * sum(colours.values())


def test_a_reader_of_screens_is_told_what_is_drawn(tab: Tab, file: Path, explanation: Explanation) -> None:
    tab.open(file)
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    [image] = [node for node in nodes if node.get("role", {}).get("value") == "image"]
    assert image["name"]["value"].startswith("How the walk came to its hits: Who is <b>Jorund Hale</b>?")
    assert f"{len(explanation.map.nodes)} nodes" in image["name"]["value"]
