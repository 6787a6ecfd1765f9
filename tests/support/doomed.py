"""The real daemon, killed by itself at one named step: `python doomed.py [POINT | SETTING]... -- OPTIONS OF RUSHES`.

A POINT is `before|after MODULE:NAME`, where MODULE:NAME is any function that the daemon looks up when it calls it:
`before actors.jobs.store:Store.add`, `after os:posix_spawn`. It may go on, in this order, with

    (TEXT)              only calls that have TEXT in the repr of an argument count
    #2                  not the first such call but the second
    since MODULE:NAME   only calls count that the same thread makes after it entered that function
    late                the thread stops there, and all others go on for a moment before it is the end

`after` is when the call has returned; one that raises has not. The process sends itself SIGKILL there: it flushes and
releases nothing, and what it started lives on. A SETTING is `MODULE:NAME=NUMBER`, for what would only cost time.

Without a POINT it is a nursery: it imports the daemon once, and each line on its stdin, empty or a POINT, has it fork
one, which costs some 10 ms and not 250. While that lives, each further line is a POINT for it. On stdout stand its
pid and, at its end, its exit status; on stderr, among its log, what it was told and what it died of.
"""

import importlib
import inspect
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from actors.__main__ import main
from actors.daemon import block_signals

Function = Callable[..., Any]

POINT = re.compile(
    r"(?P<when>before|after) (?P<where>[\w.]+:[\w.]+)(\((?P<text>[^)]+)\))?(#(?P<call>\d+))?"
    r"( since (?P<since>[\w.]+:[\w.]+))?(?P<late> late)?\Z"
)
SETTING = re.compile(r"(?P<where>[\w.]+:\w+)=(?P<number>[\d.]+)\Z")

LATE_SECONDS = 0.25
"""In which mail that was sent too early arrives, and FFmpeg obeys a `q`."""

WRONG_POINT = 2
"""The exit status where there is no such point: no daemon is started that would not die."""


class NoSuchPoint(Exception):
    """It cannot be read, or names nothing that the daemon has."""


def say(event: str, what: str) -> None:
    """A whole line among those of the daemon's log."""
    os.write(2, f"{json.dumps({'level': 'info', 'event': event, 'what': what})}\n".encode())


def locate(where: str) -> tuple[Any, str]:
    """Whose attribute it is, and its name there."""
    module, _, path = where.partition(":")
    *owners, name = path.split(".")
    try:
        found: Any = importlib.import_module(module)
        for owner in owners:
            found = getattr(found, owner)
        inspect.getattr_static(found, name)
    except (ImportError, AttributeError) as error:
        raise NoSuchPoint(f"{where}: {error}") from None
    return found, name


def replace(where: str, make: Callable[[Function], Function]) -> None:
    """Put in place of a function what `make` makes of it."""
    owner, name = locate(where)
    found = inspect.getattr_static(owner, name)
    if isinstance(found, (staticmethod, classmethod)):
        setattr(owner, name, type(found)(make(found.__func__)))
    elif callable(found):
        setattr(owner, name, make(found))
    else:
        raise NoSuchPoint(f"{where} is no function")


class Doom:
    """One point, from now on. Any thread may come to it."""

    def __init__(self, point: str) -> None:
        read = POINT.match(point)
        if read is None:
            raise NoSuchPoint(f"{point!r} cannot be read")
        self._point = point
        self._is_before = read["when"] == "before"
        self._text = read["text"]
        self._calls_left = int(read["call"] or 1)
        self._since = read["since"]
        self._is_late = read["late"] is not None
        self._threads: set[int] = set()
        locate(read["where"])
        if self._since is not None:
            replace(self._since, self._arming)
        replace(read["where"], self._deadly)

    def _arming(self, function: Function) -> Function:
        @wraps(function)
        def armed(*args: Any, **kwargs: Any) -> Any:
            self._threads.add(threading.get_ident())
            return function(*args, **kwargs)

        return armed

    def _deadly(self, function: Function) -> Function:
        @wraps(function)
        def deadly(*args: Any, **kwargs: Any) -> Any:
            is_it = self._counts(*args, *kwargs.values())
            if is_it and self._is_before:
                self._die()
            result = function(*args, **kwargs)
            if is_it:
                self._die()
            return result

        return deadly

    def _counts(self, *args: Any) -> bool:
        """Count a call, where it is one to be counted; True for the one that is meant."""
        if self._since is not None and threading.get_ident() not in self._threads:
            return False
        if self._text is not None and not any(self._text in repr(arg) for arg in args):
            return False
        self._calls_left -= 1
        return self._calls_left == 0

    def _die(self) -> None:
        if self._is_late:
            time.sleep(LATE_SECONDS)
        say("fallen", self._point)
        os.kill(os.getpid(), signal.SIGKILL)


def lines() -> Iterator[str]:
    """The lines on stdin, read without a buffer whose lock a thread could hold when the interpreter ends."""
    rest = b""
    while piece := os.read(0, 4096):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode() for line in whole)


def obey(words: Iterator[str]) -> None:
    """Take points from somebody else."""
    for point in words:
        try:
            Doom(point)
            say("doomed", point)
        except NoSuchPoint as error:
            say("not_doomed", f"{point}: {error}")


def live(options: list[str]) -> None:
    """Be the daemon, and take further points for as long as it lives."""
    block_signals()  # before there is a thread that could get them
    threading.Thread(target=obey, args=(lines(),), name="doom", daemon=True).start()
    sys.exit(main(options, prog_name="rushes serve", standalone_mode=False))


def nurse(options: list[str]) -> None:
    """Fork one daemon after the other."""
    for point in lines():
        pid = os.fork()
        if pid == 0:
            if point:
                obey(iter([point]))
            live(options)
        os.write(1, f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def run() -> None:
    """Do as the command line says."""
    own, options = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
    settings = [found for word in own if (found := SETTING.match(word))]
    try:
        for setting in settings:
            setattr(*locate(setting["where"]), float(setting["number"]))
        points = [Doom(word) for word in own if not SETTING.match(word)]
    except NoSuchPoint as error:
        sys.stderr.write(f"no such point: {error}\n")
        sys.exit(WRONG_POINT)
    (live if points else nurse)(options)


if __name__ == "__main__":
    run()
