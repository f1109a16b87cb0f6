"""One thing of a kind for each measure: a mean, an interval, a difference, or the values of all questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hippograph.errors import InputError

__all__ = ["ByMeasure"]

_T_co = TypeVar("_T_co", covariant=True)
_U = TypeVar("_U")


@dataclass(frozen=True, slots=True, kw_only=True)
class ByMeasure(Generic[_T_co]):
    """One thing for each measure.

    Parameters
    ----------
    recall, all_recall, ndcg
        By k; all three have the same.
    mrr
        For the mean reciprocal rank.

    Examples
    --------
    >>> shares = ByMeasure(recall={2: 0.5, 5: 1.0}, all_recall={2: 0.0, 5: 1.0}, ndcg={2: 0.4, 5: 0.7}, mrr=1.0)
    >>> shares.apply(lambda share: f"{100 * share:.0f} %").recall[5]
    '100 %'
    """

    recall: Mapping[int, _T_co]
    all_recall: Mapping[int, _T_co]
    ndcg: Mapping[int, _T_co]
    mrr: _T_co

    def flat(self) -> list[_T_co]:
        """List everything, measure by measure, in an order that depends on the k alone."""
        return [*self.recall.values(), *self.all_recall.values(), *self.ndcg.values(), self.mrr]

    def filled(self, things: Sequence[_U]) -> ByMeasure[_U]:
        """Make the same of other things, given in the order of `flat`.

        Raises
        ------
        InputError
            If there are more or fewer of them.
        """
        ks = list(self.recall)
        if len(things) != 3 * len(ks) + 1:
            raise InputError(f"{len(things)} things do not fill {3 * len(ks) + 1} places; give one for each measure")
        first, second, third = (dict(zip(ks, things[n * len(ks) :], strict=False)) for n in range(3))
        return ByMeasure(recall=first, all_recall=second, ndcg=third, mrr=things[-1])

    def apply(self, function: Callable[[_T_co], _U]) -> ByMeasure[_U]:
        """Make the same of what a function makes of each."""
        return self.filled([function(thing) for thing in self.flat()])

    def to_json(self) -> dict[str, object]:
        """Return everything under the names of the measures; the k are strings."""
        return {
            "recall": {str(k): thing for k, thing in self.recall.items()},
            "all_recall": {str(k): thing for k, thing in self.all_recall.items()},
            "ndcg": {str(k): thing for k, thing in self.ndcg.items()},
            "mrr": self.mrr,
        }
