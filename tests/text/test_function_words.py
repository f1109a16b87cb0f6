import pytest

from hippograph.text.function_words import is_grammar, reads_as_name
from hippograph.text.normalization import tokens


@pytest.mark.parametrize(("key", "grammar"), [("the", True), ("of the", True), ("who", True), ("the beatles", False)])
def test_grammar(key: str, grammar: bool) -> None:
    assert is_grammar(key) is grammar


@pytest.mark.parametrize(
    ("text", "word", "name"),
    [
        ("Who discovered radium?", "who", False),
        ("When did The Who form?", "who", True),
        ("It was. The film It was a hit.", "it", True),
        ("It was. It is.", "it", False),
        ("troops of the U.S. left", "us", True),
        ("they saw us", "us", False),
        ("“Her” is", "her", False),
    ],
)
def test_capitals_make_a_name_where_grammar_does_not_ask_for_them(text: str, word: str, name: bool) -> None:
    found = [token for token in tokens(text) if token.key == word]
    assert any(reads_as_name(text, [token]) for token in found) is name
