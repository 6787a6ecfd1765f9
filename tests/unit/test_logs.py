"""The log's catalogue is whole: every line that is logged is in it, and everything in it is logged."""

import ast
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from actors import logs

Configure = Callable[..., None]

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
BY_NAME = {"log", "_notice"}
"""What takes a line's name as its first argument besides a logger's levels: a turn's `log`, `_notice` in the bus."""


@cache
def logged() -> set[str]:
    """Every name that the daemon logs; a part of a name that is put in at run time is a `*`."""
    sources = [*(ROOT / "actors").rglob("*.py"), ROOT / "bus/hub.py", ROOT / "bus/door.py"]
    return {name for path in sources for name in _names(ast.parse(path.read_text()))}


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        called, on = node.func.attr, ast.unparse(node.func.value)
        if called in BY_NAME or (called in LEVELS and on.endswith("log")):
            yield from _texts(node.args[0])


def _texts(argument: ast.expr) -> Iterator[str]:
    if isinstance(argument, ast.Constant):
        yield str(argument.value)
    elif isinstance(argument, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in argument.values)


def test_every_name_that_is_logged_is_in_the_catalogue() -> None:
    names = logged()
    assert len(names) > 20, "the look saw too little"
    assert [name for name in names if not any(fnmatch(known, name) for known in logs.CATALOGUE)] == []


def test_every_name_in_the_catalogue_is_logged() -> None:
    assert [known for known in logs.CATALOGUE if not any(fnmatch(known, name) for name in logged())] == []


def test_every_entry_says_what_it_means() -> None:
    assert all(logs.CATALOGUE.values())


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Sets up the log for one test."""
    yield logs.configure
    logs.close()


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_name_that_is_not_in_the_catalogue_is_a_defect(form: str, configure: Configure) -> None:
    configure("json" if form == "json" else "console", "info")
    with pytest.raises(logs.UnknownLogEvent):
        logs.logger().info("something_else")


def test_a_json_line_begins_with_when_how_grave_what_and_who(configure: Configure) -> None:
    said = io.StringIO()
    with redirect_stderr(said):
        configure("json", "info")
        logs.logger(actor="queue").info("job_started", job_id="abc", path=Path("/x"))
        logs.logger().debug("job_failed")
        logs.close()
    [line] = said.getvalue().splitlines()
    found = json.loads(line)
    assert list(found)[:4] == ["at", "level", "event", "actor"]
    assert (found["event"], found["job_id"], found["level"]) == ("job_started", "abc", "info")


def test_a_log_that_nobody_reads_any_more_ends_nothing(configure: Configure) -> None:
    closed = io.StringIO()
    closed.close()
    with redirect_stderr(closed):
        configure("json", "info")
        logs.logger().info("daemon_ready")
        logs.close()


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_what_was_dropped_is_counted(configure: Configure) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as pipe, os.fdopen(writer, "w") as stream, redirect_stderr(stream):
        configure("json", "info")
        for _ in range(2 * logs.MAX_WAITING_LINES):
            logs.logger().info("daemon_ready")
        lines = [json.loads(pipe.readline()) for _ in range(logs.MAX_WAITING_LINES)]
        while lines[-1]["event"] != "log_lines_dropped":
            lines.append(json.loads(pipe.readline()))
        logs.close()
    assert lines[-1]["lines"] > 0
    assert len(lines) < 2 * logs.MAX_WAITING_LINES
