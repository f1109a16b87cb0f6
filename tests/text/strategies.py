"""Texts in many scripts for the tests of this folder."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st

SAMPLES = (
    "C++ C# F# .NET AT&T O'Brien God’s U.S. J. R. R. 3.14 Web 2.0 naïve İstanbul Straße ﬁlm Ｆｕｌｌ Dvořák "
    "Łódź Москва Ёлка Αθήνα Σίσυφος "
    "العَرَبِيَّة هذه مدينة हिन्दी क्षेत्र 北京是首都。東京タワー ｶﾞｷﾞ 서울 각 กรุงเทพ ½ … ﷺ ™ 🎉 👩‍🚀 \u00ad \u200b \n\t"
)

rich_characters = st.one_of(
    st.sampled_from(SAMPLES),
    st.sampled_from("aAbsSiI\u0307\u0301\u0345'’.&+# -(\"1"),
    st.sampled_from("\u1100\u1161\u11a8\u3131\u314f\uffa1\uffc2\uac00가ﾞｶ"),
    st.characters(),
)
rich_text = st.text(rich_characters, max_size=40)
words = st.text(st.sampled_from("abcs'éßİЖяنम्ह北東가1٣"), min_size=1, max_size=8)


def is_seen(character: str) -> bool:
    """Whether a character leaves ink of its own; the four are Hangul fillers, letters by category."""
    unseen = {"Cc", "Cf", "Cs", "Mn"}
    return not (
        character.isspace() or character in "\u115f\u1160\u3164\uffa0" or unicodedata.category(character) in unseen
    )
