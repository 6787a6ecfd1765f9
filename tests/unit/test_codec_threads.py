"""A struct's first use by several threads at once, of which msgspec may die: many new structs, all threads at each."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MEET = """
import sys
import threading
from typing import Annotated, Literal

import msgspec

from bus import codec

STRUCTS, THREADS = 300, 6
sys.setswitchinterval(1e-6)

def new(number):
    field = Annotated[dict[str, list[int]], msgspec.Meta(max_length=5)] | None
    inner = msgspec.defstruct(f"Inner{number}", [(f"field{index}", field, None) for index in range(12)])
    fields = [("one", inner), ("more", tuple[inner, ...]), ("word", Literal["a", "b"])]
    return msgspec.defstruct(f"Outer{number}", fields)

def read(kind, at_once):
    at_once.wait()
    <read>

kinds = [new(number) for number in range(STRUCTS)]
<prepare>
for kind in kinds:
    at_once = threading.Barrier(THREADS)
    threads = [threading.Thread(target=read, args=(kind, at_once)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
BODY = r"codec.encode({'one': {}, 'more': [{}], 'word': 'a'})"


@pytest.mark.parametrize(
    ("prepare", "read"),
    [("codec.prepare()", f"codec.decode({BODY}, kind)"), ("", f"codec.decode({BODY}, codec.known(kind))")],
    ids=["of a daemon", "of clients"],
)
def test_the_threads_do_not_end_the_process(prepare: str, read: str) -> None:
    script = MEET.replace("<prepare>", prepare).replace("<read>", read)
    run = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, cwd=ROOT)
    assert (run.returncode, run.stderr) == (0, "")


SUBMIT = """
import os
import sys
import threading

from bus.request import job_spec

PROCESSES, THREADS = 100, 6
sys.setswitchinterval(1e-6)

def submit(at_once):
    at_once.wait()
    job_spec({"outputs": [{"path": "/out.mp4"}]})

def first():
    at_once = threading.Barrier(THREADS)
    threads = [threading.Thread(target=submit, args=(at_once,)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

for _ in range(PROCESSES):
    child = os.fork()
    if child == 0:
        first()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"ended with {os.waitstatus_to_exitcode(status)}"
"""


def test_the_first_jobs_of_a_programs_threads_do_not_end_it() -> None:
    run = subprocess.run([sys.executable, "-c", SUBMIT], check=False, capture_output=True, text=True, cwd=ROOT)
    assert (run.returncode, run.stderr) == (0, "")
