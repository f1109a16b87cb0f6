"""Random maps and explanations to draw."""

from hypothesis import strategies as st

from hippograph.types import ExplainedHit, Explanation, MapEdge, MapNode, Passage, WalkMap

NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></svg><script>alert(2)</script>",
    "]]><!--",
    "&lt;b&gt; & 'quoted'",
    "\u202eevil\u0000\u001b[31m",
    "$style ${content}",
    "北京是中国的首都，也是一座非常大的城市，有很多很多的历史",
    "Донаудампфшиффартсгезелльшафтскапитенсмютце",
    "e\u0301" * 60,
    "",
)

labels = st.one_of(st.sampled_from(NASTY), st.text(max_size=60))


@st.composite
def maps(draw: st.DrawFn) -> WalkMap:
    """Maps of up to 14 nodes, with hits, seeds, and edges between any two of them."""
    count = draw(st.integers(0, 14))
    hits = draw(st.integers(0, count))
    nodes = tuple(
        MapNode(
            node=f"{at} {draw(labels)}",
            kind="passage" if at < hits else draw(st.sampled_from(["entity", "passage"])),
            label=draw(labels),
            weight=draw(st.sampled_from([0.0, 0.3])),
            mass=draw(st.floats(0, 1)),
            place=at + 1 if at < hits else None,
            asked=draw(st.booleans()) if at == 0 else False,
        )
        for at in range(count)
    )
    pairs = [(one, other) for one in range(count) for other in range(one)]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=30, unique=True)) if pairs else []
    edges = tuple(
        MapEdge(
            source=one,
            target=other,
            flow=draw(st.sampled_from([0.0, 1e-9, 0.1, 0.5])),
            link=draw(labels),
            inverse=draw(st.booleans()),
            on_path=draw(st.booleans()),
        )
        for one, other in chosen
    )
    return WalkMap(nodes=nodes, edges=edges)


def explained(drawn: WalkMap, query: str = "Who?") -> Explanation:
    passage = Passage(id="<p>", document="d", title=NASTY[0], text=NASTY[2])
    hit = ExplainedHit(passage=passage, place=1, score=0.5, remarks=(NASTY[1],))
    return Explanation(query=query, hits=(hit,), walked=True, map=drawn)
