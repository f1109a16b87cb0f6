"""What the tokens of hosted models cost, by a table that users can lay their own over."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Final

from hippograph.errors import InputError

__all__ = ["Price", "PriceTable"]

_MILLION: Final = 1_000_000
_DATE: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|20\d{6})$")
_EXAMPLE: Final = '"model-name" = { input = 0.15, output = 0.60 }'


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in US dollars per million tokens.

    Parameters
    ----------
    input
        For what it reads, 0 or more.
    output
        For what it writes, 0 or more; embedders write nothing.

    Raises
    ------
    InputError
        If one of them is negative or no finite number.

    Examples
    --------
    >>> Price(0.15, 0.60).cost(2_000_000, 100_000)
    0.36
    """

    input: float
    output: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("input", self.input), ("output", self.output)):
            if not math.isfinite(value) or value < 0:
                raise InputError(f"the {name} price is {value}; give US dollars per million tokens, 0 or more")

    def cost(self, input_tokens: int, output_tokens: int = 0) -> float:
        """Return what so many tokens cost, in US dollars."""
        return (self.input * input_tokens + self.output * output_tokens) / _MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """Prices by the names of models.

    Parameters
    ----------
    prices
        Price by name.

    Examples
    --------
    >>> table = PriceTable.load()
    >>> table.of("gpt-4o-mini-2024-07-18") == table.of("openai/gpt-4o-mini") == table.of("gpt-4o-mini")
    True
    >>> table.of("a-model-of-my-own") is None
    True
    """

    prices: Mapping[str, Price]

    @classmethod
    def load(cls, path: Path | None = None) -> PriceTable:
        """Read the prices that come with hippograph, and lay a user's over them.

        Parameters
        ----------
        path
            A TOML file with lines like `"model-name" = { input = 0.15, output = 0.60 }`; it may also hold models that
            are not in the shipped table.

        Raises
        ------
        InputError
            If the file cannot be read, or a line is not a price.
        """
        shipped = files("hippograph.models").joinpath("prices.toml").read_text(encoding="utf-8")
        prices = dict(_prices(shipped, where="prices.toml"))
        if path is not None:
            try:
                own = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or error
                raise InputError(f"the prices in {path} cannot be read: {reason}; name a file in TOML") from error
            prices.update(_prices(own, where=str(path)))
        return cls(prices=MappingProxyType(prices))

    def of(self, model: str) -> Price | None:
        """Return the price of a model, or None if it is not known.

        The name is looked for as it is, then without a date at its end (`-2024-07-18`, `-20240718`), then without what
        stands before its last `/`.
        """
        bare = model.rpartition("/")[2]
        for name in (model, _DATE.sub("", model), bare, _DATE.sub("", bare)):
            if name in self.prices:
                return self.prices[name]
        return None


def _prices(text: str, *, where: str) -> Iterator[tuple[str, Price]]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the prices in {where} are not TOML: {error}; write lines like {_EXAMPLE}") from error
    for name, entry in table.items():
        yield name, _price(name, entry, where=where)


def _price(name: str, entry: object, *, where: str) -> Price:
    if not isinstance(entry, dict):
        raise InputError(f"{where}: the price of {name!r} is {entry!r}; write {_EXAMPLE}")
    if any(isinstance(value, dict) for value in entry.values()):
        raise InputError(f"{where}: the price of {name!r} is a table of tables; put a name that has dots in quotes")
    for key in entry:
        if key not in ("input", "output"):
            raise InputError(f"{where}: {name!r} has the unknown key {key!r}; a price has input and output")
    if "input" not in entry:
        raise InputError(f"{where}: {name!r} has no input price; write {_EXAMPLE}")
    for key, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{where}: {name!r} has the {key} price {value!r}; write a number of US dollars")
    try:
        return Price(float(entry["input"]), float(entry.get("output", 0.0)))
    except InputError as error:
        raise InputError(f"{where}: {name!r}: {error}") from error
