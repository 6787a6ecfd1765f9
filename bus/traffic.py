"""What passes the hub, counted, for an operator who wants to know how much it is, how long it takes and what is lost.

Nothing is counted unless somebody asks for it. The hub's thread counts, in plain numbers: that takes some 2 µs for a
command with its reply and its event. Any thread may read them.
"""

from collections import Counter
from time import perf_counter
from typing import get_args

from bus import codec
from bus.histogram import Histogram
from bus.messages import COMMANDS, AnyCommand, Command, ErrorCode

LATENCY_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Bounds of what a command takes: from a read (some 0.3 ms) to the time after which a client gives up."""

MAX_UNDER_WAY = 100_000
"""Commands whose reply is looked out for, some 20 MB of them, and more than usually wait for all parts of the daemon.
Beyond, all are forgotten, and their time is not taken."""


class Traffic:
    """Of one hub.

    `commands`: well-formed ones that came in, by kind. `latency`: seconds from there to the reply, by kind, of those
    that do not `wait`. `refusals`: replies that refuse a command, by code. `lost_replies`: not sent, by why. `events`:
    published, by type. `overflows`: how often a subscriber had more unread than is kept for one, and missed what came
    from then on until it had read half. `cut_off`: connections.
    """

    def __init__(self) -> None:
        self.commands: dict[type[Command], int] = dict.fromkeys(COMMANDS.values(), 0)
        self.latency = {kind: Histogram(LATENCY_SECONDS) for kind in COMMANDS.values()}
        self.refusals: Counter[str] = Counter(dict.fromkeys(get_args(ErrorCode), 0))
        self.lost_replies: Counter[str] = Counter()
        self.events: Counter[bytes] = Counter()
        self.overflows = 0
        self.cut_off = 0
        self._under_way: dict[bytes, tuple[float, type[Command]]] = {}  # by client and id, in one key

    def came(self, client: bytes, command: AnyCommand) -> None:
        """A command that is well-formed came in."""
        kind = type(command)
        self.commands[kind] += 1
        if command.wait is None:
            if len(self._under_way) >= MAX_UNDER_WAY:
                self._under_way.clear()
            self._under_way[client + command.id.encode()] = (perf_counter(), kind)

    def replied(self, client: bytes, body: bytes) -> None:
        """A reply is ready to be sent."""
        command_id, is_ok = codec.reply_head(body)
        found = self._under_way.pop(client + command_id, None)
        if found is not None:
            began, kind = found
            self.latency[kind].observe(perf_counter() - began)
        if not is_ok:
            self.refusals[codec.decode_plain(body)["error"]["code"]] += 1

    def published(self, topic: bytes) -> None:
        """An event is being sent. A topic is `job.<id>.<kind>` or `daemon.<kind>`; an id has no dot."""
        self.events[b"job" + topic[topic.rfind(b".") :] if topic.startswith(b"job.") else topic] += 1
