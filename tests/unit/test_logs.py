"""The log's catalogue is whole: every line that is logged is in it, and everything in it is logged."""

import ast
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from actors import logs
from actors.catalogue import CATALOGUE, as_markdown, keys_of
from actors.log_sinks import MAX_WAITING_LINES

Configure = Callable[..., None]

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
AS_LOGGED = {"exc_info": "exception"}
"""What structlog makes of a keyword."""

BY_NAME = {"log", "_notice"}
"""What takes a line's name as its first argument besides a logger's levels: a turn's `log`, `_notice` in the bus."""


class Call(NamedTuple):
    """One place where a line is logged. `level` is None where the catalogue gives it.

    `keys` are those that can be read off the call, `is_whole` where that is all of them.
    """

    name: str
    level: str | None
    keys: frozenset[str]
    is_whole: bool


@cache
def calls() -> list[Call]:
    """Every place where the daemon logs."""
    sources = [*(ROOT / "actors").rglob("*.py"), ROOT / "bus/hub.py", ROOT / "bus/door.py"]
    return [call for path in sources for call in _calls(ast.parse(path.read_text()))]


def _calls(tree: ast.Module) -> Iterator[Call]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        called, on = node.func.attr, ast.unparse(node.func.value)
        if called not in BY_NAME and not (called in LEVELS and on.endswith("log")):
            continue
        keys = {AS_LOGGED.get(keyword.arg, keyword.arg) for keyword in node.keywords if keyword.arg}
        is_whole = all(keyword.arg for keyword in node.keywords)
        for mapping in node.args[1:]:
            assert isinstance(mapping, ast.Dict), "what follows a name are its keys"
            keys |= {str(key.value) for key in mapping.keys if isinstance(key, ast.Constant)}
        level = called if called in LEVELS else "warning" if called == "_notice" else None
        for name in _names(node.args[0]):
            yield Call(name, level, frozenset(keys), is_whole)


def _names(argument: ast.expr) -> Iterator[str]:
    """The names that an argument may be: one, or either of two. What is handed on is named elsewhere."""
    if isinstance(argument, ast.Constant):
        yield str(argument.value)
    elif isinstance(argument, ast.IfExp):
        yield from _names(argument.body)
        yield from _names(argument.orelse)
    else:
        assert isinstance(argument, (ast.Name, ast.Attribute)), "a name that nobody can look for"


def test_every_name_that_is_logged_is_in_the_catalogue_with_its_level_and_its_keys() -> None:
    assert len(calls()) > 40, "the look saw too little"
    for name, level, keys, _ in calls():
        assert name in CATALOGUE, f"{name} is logged and not in actors/catalogue.py"
        assert level in (None, CATALOGUE[name].level), f"{name} is logged as {level}"
        assert keys <= keys_of(name), f"{name} is logged with {sorted(keys - keys_of(name))}"


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_entry_of_the_catalogue_is_logged_with_all_its_keys(name: str) -> None:
    found = [call for call in calls() if call.name == name]
    assert found, "nobody logs it"
    if all(call.is_whole for call in found):
        assert set(CATALOGUE[name].keys.split()) <= frozenset().union(*(call.keys for call in found))
    assert CATALOGUE[name].means


def test_operators_have_the_same_catalogue() -> None:
    assert as_markdown() in (ROOT / "deploy/docs/log.md").read_text(), "say `make man`"


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


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_where_and_not_what_the_variables_were(configure: Configure, form: str) -> None:
    """A hook's secret, a command's arguments, the environment: any of them may be in a local variable."""
    heard = io.StringIO()
    with redirect_stderr(heard):
        configure("json" if form == "json" else "console", "info")
        try:
            secret = 2 * "hunter2"
            len(secret) // 0
        except ZeroDivisionError as error:
            logs.logger(actor="main").error("daemon_failed", error="x", exc_info=error)
        logs.close()
    assert "ZeroDivisionError" in heard.getvalue()
    assert "test_logs.py" in heard.getvalue()
    assert "hunter2hunter2" not in heard.getvalue()


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
        for _ in range(2 * MAX_WAITING_LINES):
            logs.logger().info("daemon_ready")
        lines = [json.loads(pipe.readline()) for _ in range(MAX_WAITING_LINES)]
        while lines[-1]["event"] != "log_lines_dropped":
            lines.append(json.loads(pipe.readline()))
        logs.close()
    assert lines[-1]["lines"] > 0
    assert len(lines) < 2 * MAX_WAITING_LINES


# ---------------------------------------------------------------- what users wrote


def said(configure: Configure, form: str, **keys: object) -> str:
    """What stands in the log of one line."""
    stream = io.StringIO()
    with redirect_stderr(stream):
        configure(form, "info")
        logs.logger(actor="queue").warning("job_failed", **keys)
        logs.close()
    return stream.getvalue()


FORGED = 'x\n{"at":"now","event":"job_completed"}\r\x1b[2J\x07\x7f\x9b31m\u2028\u202eend'


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_text_ends_a_line_or_draws_on_a_terminal(configure: Configure, form: str) -> None:
    text = said(configure, form, message=FORGED, code=[FORGED])
    assert len(text.splitlines()) == 1
    assert text.removesuffix("\n").isprintable()
    if form == "json":
        assert json.loads(text)["message"] == FORGED, "and nothing of it is lost"


def test_a_traceback_for_people_is_set_in(configure: Configure) -> None:
    text = said(configure, "console", traceback="Traceback\n  x\n2026-01-01 [info] job_completed\x1b[2J")
    first, *others = text.splitlines()
    assert "job_failed" in first
    assert all(line.startswith("    ") and line.isprintable() for line in others)


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot open https://ada:secret@host/x.mp4: 403", "cannot open https://***@host/x.mp4: 403"),
        ("https://host/x?X-Signature=secret&b=secret failed", "https://host/x?*** failed"),
        ("rtmp://secret@host/live and s3://bucket/key", "rtmp://***@host/live and s3://bucket/key"),
        ("/films/what?.mp4 by ada@host", "/films/what?.mp4 by ada@host"),
    ],
)
def test_no_password_or_signature_of_a_url_comes_into_the_log(
    configure: Configure, form: str, text: str, shown: str
) -> None:
    line = said(configure, form, message=text)
    assert "secret" not in line
    assert shown in line
