"""PromQL, read as far as ours goes: whether an expression is one, and which series and labels it looks at.

Grammar: https://prometheus.io/docs/prometheus/latest/querying/basics/ without subqueries, `@`, `offset`, `group_left`.
"""

import re
from typing import NamedTuple

TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]))
    | (?P<duration>(?:\d+(?:ms|[smhdwy]))+(?!\w))
    | (?P<word>[a-zA-Z_:][\w:]*)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<sign>=~|!~|==|!=|<=|>=|[-+*/%^(){}\[\],=<>])
    )""",
    re.VERBOSE,
)

AGGREGATIONS = {"sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile"}

FUNCTIONS = {
    "rate": ("range",), "increase": ("range",), "changes": ("range",), "max_over_time": ("range",),
    "predict_linear": ("range", "number"), "histogram_quantile": ("number", "vector"), "time": (),
    "clamp_min": ("vector", "number"),
}  # fmt: skip
"""What each takes."""

LEVELS = [{"or"}, {"and", "unless"}, {"==", "!=", "<=", "<", ">=", ">"}, {"+", "-"}, {"*", "/", "%"}]
"""Operators, those that bind least first."""


class NotPromQL(ValueError):
    """What is no expression, and where it stops to be one."""


class Matcher(NamedTuple):
    """What a label of a series must be: `sign` is `=`, `!=`, `=~` or `!~`."""

    label: str
    sign: str
    value: str


class Series(NamedTuple):
    """A selector: the name of a sample, and what its labels must be."""

    name: str
    matchers: tuple[Matcher, ...]


class Expression:
    """One expression.

    `series`: what it reads. `grouped`: the labels that it matches or adds up by. `lost_le`: whether a quantile is taken
    of ranges that are added up without `le`, which tells them apart.
    """

    def __init__(self, text: str) -> None:
        self.series: list[Series] = []
        self.grouped: set[str] = set()
        self.lost_le = False
        self._tokens = self._split(text)
        self._at = 0
        self.kind = self._binary(0)
        if self._at != len(self._tokens):
            raise NotPromQL(f"{self._tokens[self._at][1]!r} is left over in {text!r}")

    @staticmethod
    def _split(text: str) -> list[tuple[str, str]]:
        tokens, at = [], 0
        text = text.rstrip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise NotPromQL(f"what is {text[at:]!r}?")
            tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        return tokens

    # ------------------------------------------------------------ tokens

    def _next(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self, kind: str, *values: str) -> str:
        found, value = self._next()
        if found != kind or (values and value not in values):
            raise NotPromQL(f"{' or '.join(values) or kind} must stand where {value!r} does")
        self._at += 1
        return value

    def _comes(self, *values: str) -> bool:
        kind, value = self._next()
        return kind in ("sign", "word") and value in values

    # ------------------------------------------------------------ grammar; each gives the kind of its value

    def _binary(self, level: int) -> str:
        if level == len(LEVELS):
            return self._unary()
        kind = self._binary(level + 1)
        while self._comes(*LEVELS[level]):
            sign = self._next()[1]
            self._at += 1
            if self._comes("bool"):
                self._at += 1
            if self._comes("on", "ignoring"):
                self._at += 1
                self._grouping()
            other = self._binary(level + 1)
            if "range" in (kind, other) or (level < 2 and "number" in (kind, other)):
                raise NotPromQL(f"{sign} does not take {kind} and {other}")
            kind = "vector" if "vector" in (kind, other) else "number"
        return kind

    def _unary(self) -> str:
        if self._comes("-"):
            self._at += 1
            return self._unary()
        if self._comes("("):
            self._at += 1
            kind = self._binary(0)
            self._take("sign", ")")
            return kind
        if self._next()[0] == "number":
            self._at += 1
            return "number"
        name = self._take("word")
        if name in AGGREGATIONS:
            return self._aggregation(name)
        if name in FUNCTIONS:
            began = self._at
            self._arguments(name, FUNCTIONS[name])
            if name == "histogram_quantile":
                words = [value for _, value in self._tokens[began : self._at]]
                self.lost_le |= "by" in words and "le" not in words
            return "number" if name == "time" else "vector"
        return self._selector(name)

    def _aggregation(self, name: str) -> str:
        is_grouped = self._by()
        self._arguments(name, ("number", "vector") if name in ("topk", "bottomk", "quantile") else ("vector",))
        if not is_grouped:
            self._by()
        return "vector"

    def _by(self) -> bool:
        if not self._comes("by", "without"):
            return False
        self._at += 1
        self._grouping()
        return True

    def _grouping(self) -> None:
        self._take("sign", "(")
        while not self._comes(")"):
            self.grouped.add(self._take("word"))
            if not self._comes(")"):
                self._take("sign", ",")
        self._take("sign", ")")

    def _arguments(self, name: str, wanted: tuple[str, ...]) -> None:
        self._take("sign", "(")
        for number, kind in enumerate(wanted):
            if number:
                self._take("sign", ",")
            given = self._binary(0)
            if given != kind:
                raise NotPromQL(f"{name} takes a {kind}, not a {given}")
        self._take("sign", ")")

    def _selector(self, name: str) -> str:
        matchers = []
        if self._comes("{"):
            self._at += 1
            while not self._comes("}"):
                label, sign = self._take("word"), self._take("sign", "=", "!=", "=~", "!~")
                matchers.append(Matcher(label, sign, self._take("string")[1:-1]))
                if not self._comes("}"):
                    self._take("sign", ",")
            self._take("sign", "}")
        self.series.append(Series(name, tuple(matchers)))
        if self._comes("["):
            self._at += 1
            self._take("duration")
            self._take("sign", "]")
            return "range"
        return "vector"
