"""Webhooks: a daemon that delivers, a real receiver on loopback that takes, refuses, hangs or is not there."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.config import load
from tests.support.certificate import server_side
from tests.support.daemon import Daemon
from tests.support.history import age_events
from tests.support.jobs import lasting, quick
from tests.support.ports import free_pair
from tests.support.processes import eventually
from tests.support.receiver import Answer, Delivery, Receiver
from tests.support.scrape import scrape
from tests.support.wire import PATIENCE, Map

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
PATH = "/hooks/hidden-token?key=hidden-key"

GUIDE = Path(__file__).parents[2] / "deploy/docs/notify.md"

Hooked = Callable[..., Daemon]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "rushes.toml"
    path.touch(0o600)
    return path


@pytest.fixture
def hooked(start: Callable[..., Daemon], receiver: Receiver, config: Path) -> Hooked:
    """Starts a daemon with a hook called `farm`; `more` is TOML for it, `rest` what stands before it."""

    def start_one(more: str = "", rest: str = "") -> Daemon:
        config.write_text(hook(receiver, more, rest))
        return start(config=config, slots=2)

    return start_one


def hook(receiver: Receiver, more: str = "", rest: str = "") -> str:
    return f'{rest}\n[[notify]]\nname = "farm"\nurl = "{receiver.origin}{PATH}"\nsecret = "{SECRET}"\n{more}\n'


def finished(daemon: Daemon, *names: str) -> list[int]:
    """Let so many jobs end; the numbers of the events that tell of it."""
    ids = [daemon.finish(quick(daemon.out / f"{name}.mp4"))["id"] for name in names]
    return [daemon.event(job_id, "completed")["seq"] for job_id in ids]


def lines(daemon: Daemon, name: str) -> list[Map]:
    """What its log says under that name."""
    return [line for line in daemon.log() if line["event"] == f"webhook_{name}"]


def line(daemon: Daemon, name: str) -> Map:
    """The only line of that name, once it is there."""
    eventually(lambda: lines(daemon, name), f"a line webhook_{name}")
    [found] = lines(daemon, name)
    assert found["actor"] == "webhook/farm"
    return found


def seqs(deliveries: list[Delivery]) -> list[int]:
    """The events that were delivered, each once, in the order in which they came first."""
    return list(dict.fromkeys(delivery.seq for delivery in deliveries))


def place(daemon: Daemon) -> int:
    """After which event the hook is, as its file says."""
    return int(json.loads((daemon.data / "webhooks/farm.json").read_text())["seq"])


# ---------------------------------------------------------------- what is delivered


def test_the_end_of_a_job_is_delivered_as_the_bus_has_it_and_signed(hooked: Hooked, receiver: Receiver) -> None:
    daemon = hooked()
    [seq] = finished(daemon, "a")
    [came] = receiver.first(1)
    [event] = [one for one in daemon.events() if one["seq"] == seq]
    assert came.event == event
    assert event["type"] == "job.completed"
    assert came.path == PATH
    assert came.headers["content-type"] == "application/json"
    assert came.headers["user-agent"].startswith("rushes/")
    assert came.id == f"{daemon.result('status')['epoch']}:{seq}"
    assert abs(time.time() - int(came.headers["webhook-timestamp"])) < 2 * PATIENCE
    signed = f"{came.id}.{came.headers['webhook-timestamp']}.".encode() + came.body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert came.headers["webhook-signature"] == f"v1,{expected}"
    assert line(daemon, "delivered").items() >= {"seq": seq, "type": "job.completed", "job_id": event["job_id"]}.items()


def blocks(language: str) -> list[str]:
    """What stands in the guide in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_guide_s_own_receiver_takes_it_and_takes_nothing_else(hooked: Hooked, receiver: Receiver) -> None:
    [source] = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(source, str(GUIDE), "exec"), names)
    verify = names["verify"]
    finished(hooked(), "a")
    [came] = receiver.first(1)
    assert verify(SECRET, came.headers, came.body) == came.id
    old = {**came.headers, "webhook-timestamp": str(int(came.headers["webhook-timestamp"]) - 3600)}
    other = f"whsec_{base64.b64encode(bytes(32)).decode()}"
    for secret, headers, body, problem in (
        (other, came.headers, came.body, "not signed"),
        (SECRET, came.headers, came.body + b" ", "not signed"),
        (SECRET, {**came.headers, "webhook-id": "another:1"}, came.body, "not signed"),
        (SECRET, old, came.body, "long ago"),
    ):
        with pytest.raises(ValueError, match=problem):
            verify(secret, headers, body)


def test_the_request_is_the_one_in_the_guide(hooked: Hooked, receiver: Receiver) -> None:
    [shown] = [block for block in blocks("") if block.startswith("POST ")]
    head, _, body = shown.partition("\n\n")
    finished(hooked(), "a")
    [came] = receiver.first(1)
    assert list(came.names) == [row.partition(":")[0] for row in head.splitlines()[1:]]
    assert [*came.event] == re.findall(
        r"`(\w+)`", GUIDE.read_text().partition("as the bus has it: ")[2].partition(", in")[0]
    )
    begin = re.match(rb'{"v":1,"seq":\d+,"at":"[^"]+Z","type":"', came.body)
    assert begin is not None
    assert body.startswith('{"v":1,"seq":6,"at":"')


def test_the_guide_s_configuration_and_secret_can_be_used(tmp_path: Path) -> None:
    [command] = [block for block in blocks("sh") if "whsec_" in block]
    subprocess.run(["sh", "-e", "-c", command], cwd=tmp_path, check=True)
    [text] = blocks("toml")
    (tmp_path / "rushes.toml").write_text(text.replace("/etc/rushes", str(tmp_path)))
    [settled] = load({}, tmp_path / "rushes.toml", {}).notify
    assert [len(key) for key in settled.keys] == [32]


def test_what_is_wanted_comes_in_order_and_what_is_not_does_not(hooked: Hooked, receiver: Receiver) -> None:
    daemon = hooked('types = ["job.*", "daemon.draining"]')
    job_id = daemon.rendering(lasting(daemon.out / "a.mp4"))
    with daemon.listener("job.") as listener:
        listener.wait_for("job.progress", job_id)
    daemon.result("cancel", job_id=job_id, wait=PATIENCE)
    for command in ("drain", "resume", "drain"):
        daemon.result(command)
    events = daemon.events()
    assert {"daemon.started", "daemon.resumed", "job.cancelled", "daemon.draining"} <= {one["type"] for one in events}
    wanted = [one for one in events if one["type"].startswith("job.") or one["type"] == "daemon.draining"]
    assert [one.event for one in receiver.until(wanted[-1]["seq"])] == wanted


def test_a_new_hook_is_not_sent_what_was_before(start: Callable[..., Daemon], receiver: Receiver, config: Path) -> None:
    daemon = start(slots=2)
    finished(daemon, "a", "b")
    assert daemon.terminate() == 0
    config.write_text(hook(receiver))
    daemon.start(config=config)
    [seq] = finished(daemon, "c")
    assert seqs(receiver.until(seq)) == [seq]
    assert line(daemon, "started").items() >= {"is_new": True, "url": receiver.origin}.items()


def test_a_hook_needs_no_role(hooked: Hooked, receiver: Receiver) -> None:
    daemon = hooked('types = ["daemon.started"]', 'default_role = "viewer"')
    assert daemon.refusal("drain")["code"] == "forbidden", "the daemon's own user may only read"
    assert receiver.first(1)[0].event["type"] == "daemon.started"


def test_over_tcp_it_is_the_same(start: Callable[..., Daemon], receiver: Receiver, config: Path) -> None:
    config.write_text(hook(receiver, 'types = ["daemon.started"]'))
    start(config=config, bus=f"tcp://127.0.0.1:{free_pair()}")
    assert receiver.first(1)[0].event["type"] == "daemon.started"


# ---------------------------------------------------------------- receivers that do not take it


def test_what_fails_is_tried_until_it_is_taken_and_told_of_once(hooked: Hooked, receiver: Receiver) -> None:
    daemon = hooked()
    receiver.answer(500, 302, "reset", location=f"{receiver.origin}/elsewhere")
    expected = finished(daemon, "a", "b")
    came = receiver.until(expected[-1])
    assert [one.seq for one in came] == [expected[0]] * 4 + expected[1:]
    assert {one.path for one in came} == {PATH}, "no redirect is followed"
    assert len({one.id for one in came}) == 2
    assert line(daemon, "failing").items() >= {"seq": expected[0], "why": "HTTP status 500"}.items()
    assert line(daemon, "works")["tries"] == 3
    assert "hidden" not in daemon.stderr()
    assert SECRET not in daemon.stderr()


def test_the_metrics_say_which_hook_fails_and_how_far_it_is(
    start: Callable[..., Daemon], receiver: Receiver, config: Path
) -> None:
    config.write_text(hook(receiver))
    daemon = start(config=config, metrics_port=free_pair())
    receiver.answer(then=500)
    [seq] = finished(daemon, "a")
    eventually(lambda: scrape(daemon)("rushes_webhook_failing", webhook="farm") == 1, "it is told that the hook fails")
    assert scrape(daemon)("rushes_webhook_seq", webhook="farm") == seq - 1
    receiver.answer(then=200)
    eventually(lambda: scrape(daemon)("rushes_webhook_failing", webhook="farm") == 0, "it is told that it works")
    last = daemon.result("status")["last_seq"]
    eventually(lambda: scrape(daemon)("rushes_webhook_seq", webhook="farm") == last, "it has caught up")


@pytest.mark.parametrize(
    ("timeout", "answers"),
    [
        (60, {"noise": "what it answers is no HTTP", "reset": "connection reset by peer", 429: "HTTP status 429",
              404: "HTTP status 404"}),
        (1, {"hang": "no answer within 1 s", "drip": "no answer within 1 s"}),
    ],
)  # fmt: skip
def test_whatever_it_does_instead_it_is_asked_again(
    hooked: Hooked, receiver: Receiver, timeout: int, answers: dict[Answer, str]
) -> None:
    daemon = hooked(f"timeout = {timeout}")
    for answer in answers:
        before = len(lines(daemon, "works"))
        receiver.answer(answer)
        [seq] = finished(daemon, str(answer))
        eventually(lambda: len(lines(daemon, "works")) > before, f"it works again after {answer}")  # noqa: B023
        assert [one.seq for one in receiver.deliveries].count(seq) >= 2
    assert [failing["why"] for failing in lines(daemon, "failing")] == [*answers.values()]


def test_one_that_is_not_there_gets_everything_once_it_is(hooked: Hooked, receiver: Receiver) -> None:
    daemon = hooked()
    receiver.close()
    expected = finished(daemon, "a", "b", "c")
    assert line(daemon, "failing").items() >= {"why": "connection refused", "seq": expected[0]}.items()
    with Receiver(receiver.port) as back:
        assert seqs(back.until(expected[-1])) == expected
    assert line(daemon, "works")["tries"] >= 1


def test_one_that_wants_nothing_more_gets_nothing_until_the_daemon_is_started_again(
    hooked: Hooked, receiver: Receiver
) -> None:
    daemon = hooked()
    receiver.answer(410)
    expected = finished(daemon, "a", "b")
    assert line(daemon, "gone")["seq"] == expected[0]
    assert not lines(daemon, "failing"), "that would be tried again"
    assert daemon.terminate() == 0
    assert [one.seq for one in receiver.deliveries] == expected[:1]
    daemon.start()
    assert seqs(receiver.until(expected[-1])) == expected


def test_one_that_hangs_holds_up_neither_jobs_nor_the_daemon_s_end(hooked: Hooked, receiver: Receiver) -> None:
    daemon = hooked("timeout = 60")
    receiver.answer(then="hang")
    [seq] = finished(daemon, "a")
    receiver.first(1)
    finished(daemon, "b", "c")
    assert daemon.terminate() == 0, "in less than the hook's timeout: `ended` waits for half of it"
    assert [one.seq for one in receiver.deliveries] == [seq]


# ---------------------------------------------------------------- crashes and restarts


def test_after_a_kill_in_the_middle_everything_is_delivered_at_least_once_and_in_order(
    hooked: Hooked, receiver: Receiver
) -> None:
    daemon = hooked('types = ["job.*"]')
    receiver.answer(200, 200, 200, "hang")
    job_id = daemon.finish(quick(daemon.out / "a.mp4"))["id"]
    under_way = receiver.first(4)[-1]
    daemon.kill9()
    receiver.release()
    daemon.start()
    [last] = finished(daemon, "b")
    expected = [one["seq"] for one in daemon.events() if one["type"].startswith("job.") and one["seq"] <= last]
    came = receiver.until(last)
    assert seqs(came) == expected == sorted(expected)
    assert [one.id for one in came].count(under_way.id) >= 2
    assert {one.event["job_id"] for one in came} > {job_id}
    assert not lines(daemon, "missed")


def test_over_a_restart_in_order_nothing_is_delivered_twice(hooked: Hooked, receiver: Receiver) -> None:
    daemon = hooked()
    [first] = finished(daemon, "a")
    eventually(lambda: place(daemon) == first, "its place is on disk")
    assert daemon.terminate() == 0
    daemon.start()
    [second] = finished(daemon, "b")
    assert [one.seq for one in receiver.until(second)] == [first, second]
    assert [one["is_new"] for one in lines(daemon, "started")] == [True, False]


def test_events_that_were_forgotten_meanwhile_are_told_of(hooked: Hooked, receiver: Receiver, config: Path) -> None:
    daemon = hooked()
    with_hook, begin = config.read_text(), place(daemon)
    receiver.answer(then=503)
    *gone, kept = finished(daemon, "a", "b", "c")
    receiver.first(1)
    daemon.kill9()
    age_events(daemon, gone[-1])
    config.write_text("")
    daemon.start()  # without a hook, which would read what is about to be forgotten
    eventually(lambda: daemon.result("events")["oldest_seq"] > gone[-1], "the old ones are forgotten")
    assert daemon.terminate() == 0
    config.write_text(with_hook)
    receiver.answer()
    tried = len(receiver.deliveries)
    daemon.start()
    receiver.until(kept)
    assert [one.seq for one in receiver.deliveries[tried:]] == [kept]
    expected = {"first": begin + 1, "last": gone[-1], "count": gone[-1] - begin}
    assert line(daemon, "missed").items() >= expected.items()


def test_after_a_restore_nothing_new_is_taken_for_old(hooked: Hooked, receiver: Receiver, tmp_path: Path) -> None:
    daemon = hooked('types = ["daemon.started", "job.completed"]')
    finished(daemon, "a")
    daemon.result("backup", path=str(tmp_path / "backup"))
    *_, ahead = finished(daemon, "b", "c", "d", "e")
    eventually(lambda: place(daemon) == ahead, "its place is on disk")
    assert daemon.terminate() == 0
    for left in daemon.data.glob("rushes.sqlite3*"):
        left.unlink()
    (tmp_path / "backup").rename(daemon.data / "rushes.sqlite3")
    before = len(receiver.deliveries)
    daemon.start()
    [seq] = finished(daemon, "f")
    assert seq < ahead, "the numbers of what was lost are given again"
    started, completed = receiver.first(before + 2)[before:]
    assert [one.event["type"] for one in (started, completed)] == ["daemon.started", "job.completed"]
    assert completed.id == f"{daemon.result('status')['epoch']}:{seq}"
    assert completed.id not in {one.id for one in receiver.deliveries[:before]}


def test_a_disk_that_does_not_take_its_place_stops_no_delivery(hooked: Hooked, receiver: Receiver) -> None:
    daemon = hooked()
    in_the_way = daemon.data / "webhooks/farm.json.new"
    in_the_way.mkdir()
    expected = finished(daemon, "a", "b")
    assert seqs(receiver.until(expected[-1])) == expected
    assert line(daemon, "place_unsaved")["error"] == "Is a directory"
    in_the_way.rmdir()
    [last] = finished(daemon, "c")
    eventually(lambda: place(daemon) == last, "its place is on disk again")


def test_a_place_that_makes_no_sense_is_told_of_and_loses_nothing(hooked: Hooked, receiver: Receiver) -> None:
    daemon = hooked()
    expected = finished(daemon, "a", "b")
    eventually(lambda: place(daemon) == expected[-1], "its place is on disk")
    assert daemon.terminate() == 0
    (daemon.data / "webhooks/farm.json").write_text("?")
    daemon.start()
    assert [one.seq for one in receiver.first(4)] == expected * 2
    assert line(daemon, "place_lost")["path"].endswith("webhooks/farm.json")


# ---------------------------------------------------------------- https


def test_https_is_checked_by_the_certificates_that_the_system_trusts(
    start: Callable[..., Daemon], config: Path, tmp_path: Path
) -> None:
    tls, certificate = server_side(tmp_path)
    with Receiver(tls=tls) as receiver:
        config.write_text(hook(receiver))
        stranger = start(config=config)
        finished(stranger, "a")
        assert line(stranger, "failing")["why"].startswith("its certificate is not to be trusted: self")
        assert receiver.deliveries == []
        [seq] = finished(start(config=config, env={"SSL_CERT_FILE": str(certificate)}), "a")
        assert receiver.first(1)[0].seq == seq
