"""Names as keys and tokens with places."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hippograph.text.normalization import NORMALIZER_VERSION, Token, fold_diacritics, normalize, strip_qualifier, tokens
from tests.text.strategies import is_seen, rich_text, words


@given(rich_text)
@example("a.ᄀ.ᅡ.")
@example("x's's's")
@example("U.S.&T's")
@example("İ. İ̇.")
@example("1.b.c. .a .b.c")
@settings(max_examples=500)
def test_the_key_of_a_key_is_itself(text: str) -> None:
    key = normalize(text)
    assert normalize(key) == key
    assert unicodedata.is_normalized("NFKC", key)
    assert key == " ".join(key.split())


@given(rich_text)
@settings(max_examples=300)
def test_tokens_joined_are_the_key_and_their_places_rise(text: str) -> None:
    found = tokens(text)
    assert " ".join(token.key for token in found) == normalize(text)
    ends = [0] + [token.end for token in found]
    for token, previous in zip(found, ends, strict=False):
        assert 0 <= token.start < token.end <= len(text)
        assert token.end >= previous
        assert token.key.strip()


@given(rich_text)
@example("™")
@example("℠")
def test_only_the_invisible_has_no_key(text: str) -> None:
    if any(is_seen(character) for character in text):
        assert normalize(text)


def test_every_character_alone_is_stable_and_keeps_its_place() -> None:
    # Ideographs, Hangul syllables and tags behave like their first ones; nearly all the rest of Unicode is tried.
    blocks = [
        (0, 0x3400),
        (0x4E00, 0x4E80),
        (0xA000, 0xAC80),
        (0xF900, 0x12000),
        (0x1D100, 0x1D800),
        (0x1F000, 0x1FB00),
    ]
    for code in (code for first, last in blocks for code in range(first, last)):
        character = chr(code)
        key = normalize(character)
        assert normalize(key) == key, hex(code)
        assert normalize("ab " + character + " cd") in {f"ab {key} cd", "ab cd"}, hex(code)


@given(
    st.lists(words, min_size=1, max_size=3).map(" ".join),
    st.sampled_from(["", "'s", "’s", ",", ".", ")", "»", "…", "!"]),
)
def test_a_name_is_found_in_running_text(name: str, after: str) -> None:
    key = normalize(name)
    text = f"it is said (“{name}{after} was ﬁne, they say"
    keys = [token.key for token in tokens(text)]
    if re.search(r"[^\W_]", name):
        assert f" {key} " in f" {' '.join(keys)} "
        assert keys[:3] == ["it", "is", "said"]
        assert keys[-4:] == ["was", "fine", "they", "say"]


@given(rich_text)
def test_composed_and_decomposed_spellings_agree(text: str) -> None:
    assert normalize(unicodedata.normalize("NFD", text)) == normalize(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    "spellings",
    [
        ["U.S.", "US", "U.S", "u.s."],
        ["J. R. R. Tolkien", "J.R.R. Tolkien", "JRR TOLKIEN", "J.\u00a0R. R. Tolkien"],
        ["Lothair II", "Lothair II's", "Lothair II’s", "  lothair\tII "],
        ["God's Gift", "God'S Gift", "GOD’S GIFT"],
        ["O'Brien", "O’Brien", "O‘BRIEN", "O´Brien", "Oʼbrien"],
        ["Hawaiʻi", "Hawai'i"],
        ["İstanbul", "ISTANBUL", "Istanbul"],
        ["Straße", "STRASSE", "strasse"],
        ["ﬁlm", "film", "Ｆｉｌｍ", "fi\u200blm", "fi\u00adlm", "fi\x00lm"],
        ["naïve", "nai\u0308ve", "NAÏVE"],
        ["Jean-Paul Sartre", "Jean–Paul Sartre", "jean paul sartre"],
        ["Lego™", "LEGO"],
        ["ガンダム", "ｶﾞﾝﾀﾞﾑ", "カ\u3099ンタ\u3099ム"],
        ["서울", unicodedata.normalize("NFD", "서울")],
        ["АНГЕЛА МЕРКЕЛЬ", "Ангела Меркель"],
        ["ΣΊΣΥΦΟΣ", "Σίσυφος"],
        ["John F. Kennedy", "John F Kennedy"],
        ["Ph.D. (Oxford)", "ph.d oxford"],
    ],
)
def test_spellings_of_one_name_agree(spellings: list[str]) -> None:
    assert len({normalize(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    "names",
    [
        ["C", "C++", "C#", "F#", "F"],
        [".NET", "NET", "ASP.NET"],
        ["AT&T", "ATT", "AT T"],
        ["Web 2.0", "Web 20", "Web 2"],
        ["résumé", "resume"],
        ["北京", "東京", "南京"],
        ["हिन्दी", "हनद"],
        ["!!!", "+/-", "🎉", "🎊", "..."],
        ["Москва", "Минск"],
        ["أحمد", "محمد"],
    ],
)
def test_different_names_differ(names: list[str]) -> None:
    assert len({normalize(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("", ""),
        (" \n\t", ""),
        ("\u200b\ufeff\x00", ""),
        ("!!!", "!!!"),
        (" + - ", "+ -"),
        ("🎉 🎉", "🎉 🎉"),
        ("北京大学 2020", "北 京 大 学 2020"),
        ("กรุงเทพ", "ก รุ ง เ ท พ"),
        ("हिन्दी भाषा", "हिन्दी भाषा"),
        ("العَرَبِيَّة", "العَرَبِيَّة"),
        ("C++11, C++'s", "c++11 c++"),
        ("R&B / Soul & Jazz", "r&b soul jazz"),
        ("rock 'n' roll", "rock n roll"),
        ("the girls' school", "the girls school"),
        ("see.It 1990.He", "see.it 1990 he"),
        ("wait ...what .hack", "wait what .hack"),
    ],
)
def test_keys(name: str, key: str) -> None:
    assert normalize(name) == key


def test_places_are_those_of_the_original_text() -> None:
    text = "… ﬁne Straße, e\u0301té (İzmir) 北京!"
    assert [(token.key, text[token.start : token.end]) for token in tokens(text)] == [
        ("fine", "ﬁne"),
        ("strasse", "Straße"),
        ("été", "e\u0301té"),
        ("izmir", "İzmir"),
        ("北", "北"),
        ("京", "京"),
    ]
    assert tokens("½") == [Token("1", 0, 1), Token("2", 0, 1)]
    assert tokens("  ?! ") == [Token("?!", 2, 4)]


@pytest.mark.parametrize(
    ("key", "bare"),
    [
        ("dvořák", "dvorak"),
        ("łódź", "lodz"),
        ("ёлка", "елка"),
        ("العَرَبِيَّة", "العربية"),
        ("हिन्दी", "हिन्दी"),
        ("カ゚ ガ", "カ゚ ガ"),
        ("서울", "서울"),
        ("plain", "plain"),
        ("\u0301", "\u0301"),
    ],
)
def test_diacritics_are_folded_where_writers_leave_them_out(key: str, bare: str) -> None:
    assert fold_diacritics(normalize(key)) == normalize(bare)


@given(rich_text)
def test_folded_diacritics_stay_folded_and_never_vanish(text: str) -> None:
    key = normalize(text)
    folded = fold_diacritics(key)
    assert fold_diacritics(folded) == folded
    assert bool(folded) == bool(key)


@pytest.mark.parametrize(
    ("title", "bare"),
    [
        ("Inception (film)", "Inception"),
        ("Paris (2008 film) ", "Paris"),
        ("(film)", "(film)"),
        ("Mercury", "Mercury"),
        ("Love (and) War", "Love (and) War"),
        ("红楼梦（小说）", "红楼梦"),
        ("Odd)", "Odd)"),
        ("()", "()"),
        ("", ""),
    ],
)
def test_qualifiers_are_stripped_unless_nothing_is_left(title: str, bare: str) -> None:
    assert strip_qualifier(title) == bare


def test_the_version_is_a_word() -> None:
    assert NORMALIZER_VERSION.strip() == NORMALIZER_VERSION != ""
