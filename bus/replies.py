"""The bodies of replies: exactly one for each command that arrived. Any thread."""

from typing import Any

from bus import codec
from bus.errors import CommandRefused
from bus.limits import PROTOCOL_VERSION
from bus.messages import Reply, ReplyError


def result_body(command_id: str, result: Any) -> bytes:
    """The reply to a command that was done; `result` is one of the result structs."""
    return codec.encode({"v": PROTOCOL_VERSION, "re": command_id, "ok": True, "result": result})


def refusal_body(command_id: str | None, refusal: CommandRefused) -> bytes:
    """The reply that tells a client why not."""
    error = ReplyError(refusal.code, refusal.message, refusal.details)
    return codec.encode(Reply(v=PROTOCOL_VERSION, re=command_id, ok=False, error=error))
