"""Random qrels and runs for the tests of this folder."""

from __future__ import annotations

from hypothesis import strategies as st

documents = st.sampled_from([f"d{n}" for n in range(12)])
question_ids = st.sampled_from(["q1", "q2", "q10"])

# Few distinct values make ties common; neighbours in double precision are ties in single precision.
scores = st.one_of(
    st.sampled_from([0.0, -1.0, 0.1, 0.1 + 1e-12, 1.0, 1.0 + 2**-30, 3.0]), st.floats(-1e6, 1e6, allow_nan=False)
)


def runs(least: int = 0) -> st.SearchStrategy[dict[str, dict[str, float]]]:
    return st.dictionaries(question_ids, st.dictionaries(documents, scores, min_size=least, max_size=12))


def qrels(highest: int = 3) -> st.SearchStrategy[dict[str, dict[str, int]]]:
    """Each question with something relevant, among irrelevant judgements."""
    grades = st.dictionaries(documents, st.integers(0, highest), max_size=8)
    relevant = st.dictionaries(documents, st.integers(1, highest), min_size=1, max_size=4)
    return st.dictionaries(question_ids, st.builds(lambda some, more: {**some, **more}, grades, relevant), min_size=1)
