"""By what a command is known that is sent again: the same in every version of the daemon."""

from typing import Any

import pytest

from actors.jobs.desk import digest_of
from bus import codec
from bus import messages as m

JOB: dict[str, Any] = {
    "inputs": [{"path": "/a"}],
    "outputs": [{"path": "/b"}, {"path": "/c", "args": ["-an"]}],
    "metadata": {"k": "v"},
}


def digest(**fields: Any) -> str:
    command = codec.decode_command(codec.encode({"v": 1, "id": "a"} | fields))[1]
    assert isinstance(command, m.Command)
    return digest_of(command).hex()


@pytest.mark.parametrize(
    ("fields", "noted"),
    [
        ({"type": "cancel", "job_id": "j"}, "4756c2c1421d0dfcf5af57a412729744"),
        ({"type": "delete", "job_id": "j"}, "559c90489a1dc84c7db66f5a5c63d374"),
        ({"type": "boost", "job_id": "j", "by": 1}, "4e02e93471a3c1987e9349e2875afb3f"),
        ({"type": "retry", "job_id": "j"}, "ca027193ff4cab13efe2a5facaf0e7af"),
        ({"type": "drain"}, "33008a93f94db49e6c146c4ec98743f5"),
        ({"type": "submit", "job": JOB}, "7b97e9c03317448c36cddb9eef1fd6ad"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["type"],
)
def test_a_command_is_known_to_a_daemon_that_is_newer_than_its_memory(fields: dict[str, Any], noted: str) -> None:
    """`noted` is what the daemon of before `dry_run`, `resources` and `format` kept."""
    assert digest(**fields) == noted, "have `digest_of` leave out a new field where it says nothing"


def test_a_field_that_came_later_counts_where_it_says_something() -> None:
    plain = digest(type="submit", job=JOB)
    outputs = [{**output, "format": "thumbnail"} for output in JOB["outputs"]]
    others = {digest(type="submit", job=JOB | more) for more in ({"resources": {"cpu": 1}}, {"outputs": outputs})}
    assert len(others | {plain}) == 3
