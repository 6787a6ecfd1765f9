"""As much of YAML as our rule files need: maps, lists of maps, plain scalars on one line, and folded blocks (`>-`).

Anything else is an error here, though YAML may know it.
"""

import re
from typing import Any, NamedTuple

KEY = re.compile(r"([A-Za-z_]\w*):(?: (.*))?\Z")
FOLDED = ">-"
NOT_PLAIN = re.compile(r"[\[\]{}>|*&!%@`'\"#,?-]|.*(?:: | #)|.*[:\s]\Z")
"""What makes something else of a scalar than its text."""


class NotPlainYaml(ValueError):
    """A line that is not of the kind that is read here."""


class Line(NamedTuple):
    """A line's number, its indentation, and what follows."""

    number: int
    depth: int
    text: str


def load(text: str) -> Any:
    """The document as plain data; each scalar is its text."""
    lines = [
        Line(number, len(line) - len(line.lstrip(" ")), line.strip(" "))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    value, rest = _block(lines, 0)
    if rest:
        raise NotPlainYaml(f"line {rest[0].number} belongs to nothing: {rest[0].text}")
    return value


def _block(lines: list[Line], depth: int) -> tuple[Any, list[Line]]:
    if not lines or lines[0].depth < depth:
        raise NotPlainYaml(f"something must follow before line {lines[0].number if lines else 'end'}")
    return (_list if lines[0].text.startswith("- ") else _map)(lines, lines[0].depth)


def _list(lines: list[Line], depth: int) -> tuple[list[Any], list[Line]]:
    found = []
    while lines and lines[0].depth == depth and lines[0].text.startswith("- "):
        first = Line(lines[0].number, depth + 2, lines[0].text[2:])
        value, lines = _map([first, *lines[1:]], depth + 2)
        found.append(value)
    return found, lines


def _map(lines: list[Line], depth: int) -> tuple[dict[str, Any], list[Line]]:
    found: dict[str, Any] = {}
    while lines and lines[0].depth == depth and not lines[0].text.startswith("- "):
        line, lines = lines[0], lines[1:]
        key = KEY.match(line.text)
        if key is None or key[1] in found:
            raise NotPlainYaml(f"line {line.number} is no new key: {line.text}")
        if key[2] is None:
            found[key[1]], lines = _block(lines, depth + 1)
        elif key[2] == FOLDED:
            words = []
            while lines and lines[0].depth > depth:
                words.append(lines[0].text)
                lines = lines[1:]
            found[key[1]] = " ".join(words)
        elif NOT_PLAIN.match(key[2]):
            raise NotPlainYaml(f"line {line.number} has no plain text: {key[2]}")
        else:
            found[key[1]] = key[2]
    return found, lines
