"""Columns that stand under each other whatever is in them: how many cells a terminal gives to a text."""

import ctypes
import locale
import unicodedata
from collections.abc import Iterator

import pytest

from cli.table import width

NAMES = {
    "Thai": "กิ้ที่นี่ไทย",
    "Hindi": "हिन्दी वीडियो",
    "Hebrew with points": "שָׁלוֹם",
    "Japanese": "映画、テスト",
    "Hangul as macOS has it": unicodedata.normalize("NFD", "한글 영상"),
    "accents as macOS has them": unicodedata.normalize("NFD", "Crème brûlée"),
    "a joined family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "a zero width space": "a\u200bb",
    "a soft hyphen": "a\u00adb",
}


@pytest.fixture
def wcswidth() -> Iterator["ctypes._NamedFuncPointer"]:
    """What the C library says, as terminals do."""
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    yield ctypes.CDLL(None).wcswidth
    locale.setlocale(locale.LC_CTYPE, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_text_is_as_wide_as_a_terminal_makes_it(name: str, wcswidth: "ctypes._NamedFuncPointer") -> None:
    text = NAMES[name]
    assert width(text) == wcswidth(ctypes.c_wchar_p(text), len(text))
