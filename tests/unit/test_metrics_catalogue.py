"""The metrics' catalogue: names as Prometheus' conventions want them, and the same table for operators."""

import re
from pathlib import Path

import pytest

from actors.metrics.catalogue import CATALOGUE, as_markdown

ROOT = Path(__file__).parents[2]

UNITS = ("seconds", "bytes", "ratio")


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_name_follows_the_conventions(name: str) -> None:
    kind, labels, means = CATALOGUE[name]
    assert re.fullmatch(r"(rushes|process)_[a-z_]+", name)
    assert name.endswith("_total") == (kind == "counter")
    assert kind != "histogram" or name.endswith(UNITS)
    assert not name.endswith(("_count", "_sum", "_bucket")), "a histogram's own"
    assert means
    assert not means.endswith(".")
    assert not re.search(r"^(its|the same|those|when it|what they)\b|\bof (them|these)\b", means), "it is read alone"
    for label in labels.split():
        assert re.fullmatch(r"[a-z]+", label)
        assert label not in ("le", "instance", "job", "job_id", "id", "user", "path", "name"), (
            "kept for others, or too many"
        )


def test_operators_have_the_same_catalogue() -> None:
    assert as_markdown() in (ROOT / "deploy/docs/metrics.md").read_text(), "say `make man`"
