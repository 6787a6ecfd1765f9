"""`[[notify]]`: what is right is taken, and of what is wrong one line names the field and shows no secret."""

from pathlib import Path

import pytest

from actors.config import Config, ConfigError, load
from actors.webhooks.settings import EVENT_TYPES, MAX_HOOKS

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PROTOCOL = Path(__file__).parents[2] / "bus/PROTOCOL.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rushes.toml"
    path.touch(0o600)
    return path


def loaded(file: Path, *hooks: str) -> Config:
    file.write_text("".join(f"[[notify]]\n{hook}\n" for hook in hooks))
    return load({}, file, {})


def refused(file: Path, *hooks: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        loaded(file, *hooks)
    message = str(refusal.value)
    assert len(message.splitlines()) == 1
    assert str(file) in message
    return message


def test_a_url_is_enough(file: Path) -> None:
    [hook] = loaded(file, 'url = "https://Farm.example:8443/hooks/token?key=x"').notify
    assert (hook.name, hook.origin, hook.timeout, hook.keys) == (
        "Farm.example-8443", "https://Farm.example:8443", 15.0, (),
    )  # fmt: skip
    wanted = [event_type for event_type in EVENT_TYPES if hook.wants(event_type)]
    assert wanted == ["job.completed", "job.failed", "job.cancelled"]


def test_all_that_may_be_said(file: Path) -> None:
    first = 'url = "http://[::1]:80/"\nname = "here"\ntypes = ["job.*", "daemon.disk_low"]\ntimeout = 3'
    second = f'url = "http://localhost"\nsecret = "{SECRET}"'
    hooks = loaded(file, first, second).notify
    assert [hook.name for hook in hooks] == ["here", "localhost"]
    assert [hook.timeout for hook in hooks] == [3.0, 15.0]
    assert {one.partition(".")[0] for one in EVENT_TYPES if hooks[0].wants(one)} == {"job", "daemon"}
    assert not hooks[0].wants("daemon.disk_ok")
    assert [len(key) for key in hooks[1].keys] == [24]


@pytest.mark.parametrize(
    ("hook", "field"),
    [
        ('name = "x"', "notify[0].url"),
        ("url = 7", "notify[0].url"),
        ('url = ""', "notify[0].url"),
        ('url = "ftp://host/x"', "notify[0].url"),
        ('url = "host/x"', "notify[0].url"),
        ('url = "https:///x"', "notify[0].url"),
        ('url = "https://host:99999/"', "notify[0].url"),
        ('url = "https://host:0/"', "notify[0].url"),
        ('url = "https://[::1/"', "notify[0].url"),
        ('url = "https://a..b/"', "notify[0].url"),
        (f'url = "https://{"a" * 64}.example/"', "notify[0].url"),
        ('url = "https://host/a b"', "notify[0].url"),
        ('url = "https://host/\\u001b[2J"', "notify[0].url"),
        ('url = "https://hööst/"', "notify[0].url"),
        ('url = "https://ada:hush@host/"', "notify[0].url"),
        ('url = "https://hush@host/"', "notify[0].url"),
        ('url = "https://host/x#hush"', "notify[0].url"),
        (f'url = "https://host/{"x" * 2048}"', "notify[0].url"),
        ('url = "https://host/"\nname = "../x"', "notify[0].name"),
        ('url = "https://host/"\nname = "a/b"', "notify[0].name"),
        (f'url = "https://host/"\nname = "{"x" * 65}"', "notify[0].name"),
        ('url = "https://host/"\ntypes = []', "notify[0].types"),
        ('url = "https://host/"\ntypes = "job.*"', "notify[0].types"),
        ('url = "https://host/"\ntypes = ["job.*", "job.complete"]', "notify[0].types[1]"),
        ('url = "https://host/"\ntypes = ["\\u001b[2J\\u202e"]', "notify[0].types[0]"),
        ('url = "https://host/"\ntypes = ["job.progress"]', "notify[0].types[0]"),
        ('url = "https://host/"\ntypes = ["daemon.heartbeat"]', "notify[0].types[0]"),
        ('url = "https://host/"\ntimeout = 0', "notify[0].timeout"),
        ('url = "https://host/"\ntimeout = 61', "notify[0].timeout"),
        ('url = "https://host/"\nsecret = "hush"', "notify[0].secret"),
        ('url = "https://host/"\nsecret = ""', "notify[0].secret"),
        (f'url = "https://host/"\nsecret = "{SECRET}"\nsecret_file = "x"', "notify[0].secret"),
        ('url = "https://host/"\nsecrets = "hush"', "notify[0].secrets"),
    ],
)
def test_what_cannot_be_is_refused_with_the_name_of_its_field(file: Path, hook: str, field: str) -> None:
    message = refused(file, hook)
    assert message.startswith(f"setting {field} (from {file}): ")
    assert "hush" not in message.replace(str(file), "")
    assert message.isprintable()
    assert SECRET not in message


def test_one_bracket_too_few_is_told(file: Path) -> None:
    file.write_text('[notify]\nurl = "https://host/"\n')
    with pytest.raises(ConfigError, match=r"write \[\[notify\]\] with two brackets"):
        load({}, file, {})


def test_each_has_a_name_of_its_own_and_there_are_not_too_many(file: Path) -> None:
    assert "setting notify[1].name" in refused(file, 'url = "https://host/a"', 'url = "https://host/b"')
    assert "setting notify (" in refused(file, *['url = "https://host/"'] * (MAX_HOOKS + 1))


def test_a_secret_may_stand_in_a_file_of_its_own_that_no_other_reads(file: Path, tmp_path: Path) -> None:
    key = tmp_path / "hook.key"
    hook = f'url = "https://host/"\nsecret_file = "{key}"'
    assert f"{key} cannot be read: No such file" in refused(file, hook)
    key.write_text(f"{SECRET}\n")
    for mode in (0o644, 0o604, 0o620):
        key.chmod(mode)
        assert f"setting notify[0].secret_file (from {file}): {key} is open to other users" in refused(file, hook)
    for mode in (0o600, 0o400, 0o440):
        key.chmod(mode)
        assert len(loaded(file, hook).notify[0].keys) == 1
    for content in (b"", b"\n", b"hush", b"\xff\xfe"):
        key.chmod(0o600)
        key.write_bytes(content)
        message = refused(file, hook)
        assert "notify[0].secret_file" in message
        assert "hush" not in message
    key.unlink()
    key.mkdir(0o700)
    assert f"{key} is no file" in refused(file, hook)


def test_a_configuration_with_a_secret_in_it_is_not_open_to_others_either(file: Path) -> None:
    file.chmod(0o644)
    assert "open to other users" in refused(file, f'url = "https://host/"\nsecret = "{SECRET}"')
    loaded(file, 'url = "https://host/"')


def test_neither_secret_nor_url_is_in_what_a_traceback_might_show(file: Path) -> None:
    shown = repr(loaded(file, f'url = "https://host/token"\nsecret = "{SECRET}"'))
    assert "Notify('host')" in shown
    assert SECRET not in shown
    assert "token" not in shown


def test_every_event_that_the_protocol_keeps_can_be_asked_for_and_no_other() -> None:
    rows = [line for line in PROTOCOL.read_text().splitlines() if line.startswith(("| `job.", "| `daemon."))]
    kept = [row.split("|")[1] for row in rows if not row.split("|")[1].strip().endswith("*")]
    named = {word.strip(" `") for cell in kept for word in cell.split(",")}
    assert named == set(EVENT_TYPES)
