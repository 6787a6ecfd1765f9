"""Couriers in this process: what takes too long in a daemon of its own, and that no thread of theirs is left."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors import logs
from actors.config import load
from actors.daemon import Daemon
from actors.webhooks import answers, courier
from actors.webhooks.courier import FIRST_RETRY_SECONDS
from actors.webhooks.endpoint import Answer, Endpoint, NoAnswer
from bus.client import Client
from bus.messages import Event
from tests.support.jobs import quick
from tests.support.processes import eventually
from tests.support.receiver import HINT, Receiver
from tests.support.wire import PATIENCE, Map


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


@contextmanager
def serving(folder: Path, ffmpeg: Path, receiver: Receiver, more: str = "") -> Iterator[Client]:
    """A daemon in this process, whose end is that of the block."""
    config = folder / "rushes.toml"
    config.write_text(f'[[notify]]\nname = "farm"\nurl = "{receiver.origin}/"\n{more}\n')
    given = {"data": str(folder / "data"), "bus": f"ipc://{folder}/bus", "ffmpeg": str(ffmpeg)}
    daemon = Daemon(load(given, config, {}))
    with ThreadPoolExecutor(1, thread_name_prefix="main") as pool, Client(given["bus"], deadline=PATIENCE) as client:
        status = pool.submit(daemon.run)
        try:
            yield client
        finally:
            client.shutdown()
            assert status.result(PATIENCE) == 0


def completed(client: Client, path: Path) -> Event:
    """Let a job end; the event that tells of it."""
    job = client.wait(client.submit(quick(path)).job.id, PATIENCE)
    return client.events_page(0, job_id=job.id).events[-1]


@pytest.mark.parametrize(("status", "patience"), [(422, "EVENT_SECONDS"), (404, "REFUSAL_SECONDS")])
def test_what_is_refused_for_too_long_is_given_up_and_those_behind_it_follow(
    folder: Path, ffmpeg: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, status: int, patience: str
) -> None:
    monkeypatch.setattr(answers, patience, -1.0)
    receiver.answer(status)
    with serving(folder, ffmpeg, receiver) as client:
        seqs = [completed(client, folder / f"{name}.mp4").seq for name in ("a", "b")]
        assert [one.seq for one in receiver.first(2)] == seqs


def test_one_who_is_away_is_never_given_up(
    folder: Path, ffmpeg: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patience in ("EVENT_SECONDS", "REFUSAL_SECONDS"):
        monkeypatch.setattr(answers, patience, -1.0)
    receiver.answer(500, "reset")
    with serving(folder, ffmpeg, receiver) as client:
        seqs = [completed(client, folder / f"{name}.mp4").seq for name in ("a", "b")]
        assert [one.seq for one in receiver.first(4)] == [seqs[0]] * 3 + seqs[1:]


def test_one_who_was_away_for_long_and_then_refuses_has_not_refused_for_long(
    folder: Path, ffmpeg: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "EVENT_SECONDS", FIRST_RETRY_SECONDS / 4)
    receiver.answer(503, 422)
    with serving(folder, ffmpeg, receiver) as client:
        seqs = [completed(client, folder / f"{name}.mp4").seq for name in ("a", "b")]
        assert [one.seq for one in receiver.first(4)] == [seqs[0]] * 3 + seqs[1:]


def test_a_receiver_is_given_the_pause_that_it_asks_for(folder: Path, ffmpeg: Path, receiver: Receiver) -> None:
    receiver.answer(503, retry_after="2")
    with serving(folder, ffmpeg, receiver) as client:
        completed(client, folder / "a.mp4")
        first, second = (int(one.headers["webhook-timestamp"]) for one in receiver.first(2))
    assert second - first >= 2, "without it, it is tried again within a second"


def test_a_defect_in_a_courier_is_told_of_and_loses_nothing(
    folder: Path, ffmpeg: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, own_log: None
) -> None:
    fails = iter([True])

    def judge(status: int, retry_after: str | None) -> answers.Problem | None:
        if next(fails, False):
            raise ZeroDivisionError
        return answers.judge(status, retry_after)

    logs.configure("json", "info", folder / "log")
    monkeypatch.setattr(courier, "judge", judge)
    with serving(folder, ffmpeg, receiver) as client:
        seq = completed(client, folder / "a.mp4").seq
        assert [one.seq for one in receiver.first(2)] == [seq] * 2
    told = eventually(lambda: died(folder / "log"), "the log tells of it")
    assert [(line["level"], line["actor"]) for line in told] == [("error", "webhook/farm")]
    assert "ZeroDivisionError" in str(told[0]["exception"])


def died(log: Path) -> list[Map]:
    """The lines of a log that tell of a defect in a courier."""
    return [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "webhook_died"]


def test_no_thread_waits_for_a_receiver_that_hangs(folder: Path, ffmpeg: Path, receiver: Receiver) -> None:
    receiver.answer(then="hang")
    with serving(folder, ffmpeg, receiver, "timeout = 60") as client:
        completed(client, folder / "a.mp4")
        receiver.first(1)
        assert "webhook/farm" in names_of_threads()
    assert "webhook/farm" not in names_of_threads()


def names_of_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_without_a_secret_there_is_no_signature(folder: Path, ffmpeg: Path, receiver: Receiver) -> None:
    with serving(folder, ffmpeg, receiver) as client:
        completed(client, folder / "a.mp4")
        assert {"webhook-id", "webhook-timestamp"} <= receiver.first(1)[0].headers.keys()
        assert "webhook-signature" not in receiver.first(1)[0].headers


# ---------------------------------------------------------------- the endpoint alone


def test_each_address_of_a_host_is_tried(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def two_addresses(*_: Any, **__: Any) -> list[Any]:
        addresses = ("127.0.0.2", receiver.port), ("127.0.0.1", receiver.port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    assert Endpoint(f"http://twice.example:{receiver.port}/x", PATIENCE).post({}, b"{}").status == 200
    assert receiver.first(1)[0].headers["host"] == f"twice.example:{receiver.port}"


def test_what_is_said_before_the_answer_is_not_taken_for_it(receiver: Receiver) -> None:
    endpoint = Endpoint(f"{receiver.origin}/x", PATIENCE)
    receiver.answer(204, 503, before=HINT + b"HTTP/1.1 102 Processing\r\n\r\n" + HINT, Retry_After="7")
    assert endpoint.post({}, b"{}") == Answer(204, "7")
    assert endpoint.post({}, b"{}") == Answer(503, "7")


def test_one_who_never_comes_to_the_answer_gives_none(receiver: Receiver) -> None:
    receiver.answer("hints")
    with pytest.raises(NoAnswer, match=r"no answer within 0\.3 s"):
        Endpoint(f"{receiver.origin}/x", 0.3).post({}, b"{}")


def test_a_host_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)  # else a name server, if there is one, is asked
    with pytest.raises(NoAnswer, match="its host is not found: Name or service not known"):
        Endpoint("http://nobody.invalid/", PATIENCE).post({}, b"{}")


@pytest.fixture
def crowded() -> Iterator[int]:
    """A port whose queue is full: who connects waits."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting = []
        for _ in range(3):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        yield port
        for one in waiting:
            one.close()


def test_one_who_waits_to_connect_can_be_told_to_stop(crowded: int) -> None:
    endpoint = Endpoint(f"http://127.0.0.1:{crowded}/", 2 * PATIENCE)
    before = waiting_at(crowded)
    with ThreadPoolExecutor(1) as pool:
        posted = pool.submit(endpoint.post, {}, b"{}")
        eventually(lambda: waiting_at(crowded) > before, "it waits to be connected")
        endpoint.abort()
        assert isinstance(posted.exception(PATIENCE), NoAnswer)
    with pytest.raises(NoAnswer):
        endpoint.post({}, b"{}")


def waiting_at(port: int) -> int:
    """How many wait to be connected there (SYN_SENT in /proc/net/tcp)."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)
