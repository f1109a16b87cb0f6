"""What tokens cost: arithmetic, names, and files that users write."""

import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.models.prices import Price, PriceTable

PRICES = st.builds(Price, st.floats(0, 1000), st.floats(0, 1000))
TOKENS = st.integers(0, 10**9)


@given(price=PRICES, first=st.tuples(TOKENS, TOKENS), second=st.tuples(TOKENS, TOKENS))
def test_cost_adds_up(price, first, second):
    whole = price.cost(first[0] + second[0], first[1] + second[1])
    assert whole == pytest.approx(price.cost(*first) + price.cost(*second))


def test_a_million_tokens_cost_the_price():
    assert Price(2.5, 10).cost(1_000_000, 0) == 2.5
    assert Price(2.5, 10).cost(0, 1_000_000) == 10
    assert Price(0.02).cost(1_000_000) == 0.02


@pytest.mark.parametrize("amount", [-0.01, float("nan"), float("inf")])
def test_a_price_is_a_number_from_0_up(amount):
    with pytest.raises(InputError, match="US dollars"):
        Price(amount)
    with pytest.raises(InputError, match="US dollars"):
        Price(1, amount)


def test_the_shipped_table_can_be_read_whole():
    names = tomllib.loads(files("hippograph.models").joinpath("prices.toml").read_text())
    table = PriceTable.load()
    assert set(table.prices) == set(names)
    assert table.of("text-embedding-3-small") == Price(0.02, 0)


def test_names_are_looked_for_more_and_more_loosely():
    exact, plain, owned = Price(5), Price(1), Price(3)
    table = PriceTable(prices={"gpt-4o": plain, "gpt-4o-2024-05-13": exact, "mine/gpt-4o": owned})
    assert table.of("gpt-4o-2024-05-13") == exact
    assert table.of("openai/gpt-4o-2024-05-13") == exact
    assert table.of("gpt-4o-2024-11-20") == table.of("gpt-4o-20241120") == plain
    assert table.of("a/b/gpt-4o-2024-11-20") == plain
    assert table.of("mine/gpt-4o") == table.of("mine/gpt-4o-2024-11-20") == owned
    for unknown in ("gpt-4", "gpt-4o-mini", "gpt-4o-2024", "gpt-4o-99999999", ""):
        assert table.of(unknown) is None


def test_a_file_is_laid_over_the_shipped_table(tmp_path):
    file = tmp_path / "prices.toml"
    file.write_text('"gpt-4o" = { input = 1, output = 2.5 }\n"my-llama" = { input = 0.01 }\n')
    table = PriceTable.load(file)
    assert table.of("gpt-4o") == Price(1, 2.5)
    assert table.of("my-llama") == Price(0.01, 0)
    assert table.of("gpt-4o-mini") == PriceTable.load().of("gpt-4o-mini")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('"a" = { input = 1', "not TOML"),
        ('"a" = 3', "the price of 'a' is 3; write"),
        ("gpt-4.1 = { input = 1, output = 2 }", "put a name that has dots in quotes"),
        ('"a" = { output = 1 }', "'a' has no input price"),
        ('"a" = { input = 1, ouput = 2 }', "unknown key 'ouput'"),
        ('"a" = { input = "1" }', "'1'"),
        ('"a" = { input = true }', "True"),
        ('"a" = { input = -1 }', "'a': the input price is -1"),
        ('"a" = { input = nan }', "nan"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, text, complaint):
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        PriceTable.load(file)
    assert complaint in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "gone.toml", tmp_path, tmp_path / "binary.toml"):
        with pytest.raises(InputError, match="cannot be read"):
            PriceTable.load(path)
