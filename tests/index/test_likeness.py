import numpy as np
import pytest

from hippograph.index import likeness
from hippograph.index.likeness import FewAlike, ManyAlike, compare


@pytest.mark.parametrize(("few", "kind"), [(0, ManyAlike), (1000, FewAlike)])
def test_a_pair_at_the_threshold_is_decided_to_the_last_bit(monkeypatch, few, kind):
    monkeypatch.setattr(likeness, "_FEW", few)
    random = np.random.default_rng(3)
    vectors = random.normal(size=(1, 48)) + 0.3 * random.normal(size=(40, 48))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    everyone, codes = np.arange(40), np.zeros(40, dtype=np.int64)
    exact = (vectors[:, None, :].astype(np.float64) * vectors[None, :, :]).sum(axis=2)
    np.fill_diagonal(exact, -1)
    for threshold in random.choice(exact[exact > 0], 60).tolist():
        alike = compare(vectors, codes, everyone, everyone, threshold=threshold, most=3)
        assert isinstance(alike, kind)
        assert alike.counts.tolist() == (exact >= threshold).sum(axis=1).tolist()
        assert alike.turned().counts.tolist() == alike.counts.tolist()
        names, partners, cosines = alike.nearest()
        assert np.array_equal(cosines, exact[names, partners])
        assert cosines.min() >= threshold


def test_of_a_crowd_few_pairs_are_looked_at():
    vectors = np.random.default_rng(3).normal(size=(1, 8)) + 1e-2 * np.random.default_rng(4).normal(size=(400, 8))
    vectors[200:] = vectors[200]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    alike = compare(vectors, np.zeros(400, dtype=np.int64), np.arange(400), np.arange(400), threshold=0.9, most=5)
    assert alike.counts.tolist() == [399] * 400
    assert len(alike.nearest()[0]) <= 400 * 7
