"""Bytes to messages and back: the only place that knows msgpack, and the gate that every byte from outside passes."""

import re as regex
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import msgpack
import msgspec

from bus import limits
from bus.errors import CommandRefused, Invalid, TooLarge, Unsupported
from bus.messages import COMMANDS, AnyCommand, Boost, Event, Reply, SlotNumbers
from bus.spec import Metadata, Resources

T = TypeVar("T")

FIELD_ERROR = regex.compile(r"Object (?:contains unknown|missing required) field `(?P<field>.*)`", regex.DOTALL)
PLACED = regex.compile(r"(?P<what>.*) - at `(?P<key>key` in `)?(?:\$\.?)?(?P<path>.*)`\Z", regex.DOTALL)
NO_CHOICE = "Invalid enum value "
OF_A_FORM = "Expected `str` matching regex "
"""How msgspec begins where one of a few words, or of some form, would be right: it says all that was wrong instead."""

ROOT = "$"
"""The `details.path` of a body that is wrong as a whole."""

MAPS = {"job.metadata": Metadata, "job.resources": Resources, "slots": SlotNumbers}
"""The maps whose keys are a client's own: msgspec does not say which entry of one may not be."""

BLAMED_BYTES = 64 * 1024
"""Up to which size it is looked for which text of a body is none: it takes a microsecond for every two bytes."""

SHOWN_CHARS = 100
"""How much of what a stranger wrote an error message repeats."""

_known: set[type] = set()
_first_use = threading.Lock()


class Undecodable(ValueError):
    """Bytes that are not the message they should be."""


USUAL = regex.compile(rb"[\x80-\x8f](?:\xa4type[\xa0-\xbf][a-z_]+)?\xa1v\x01")
"""How the map of most commands begins: `v` is there, and 1. What is right in it is decoded in a quarter of the time."""

HEAD = b"\xa1v\x01\xa2re"
"""How a reply of ours begins, after the byte that says that it is a map."""

RE_AT = 1 + len(HEAD)
OK = b"\xa2ok"

encode: Callable[[Any], bytes] = msgspec.msgpack.Encoder().encode
"""Any struct of ours, or plain data, as msgpack. Any thread."""


def prepare() -> None:
    """Have msgspec look at every struct there is, before a second thread reads one: 3.5 ms on these 2 cores.

    It looks at a struct's first use, and another thread that meets what is half done then ends the process (SIGSEGV;
    msgspec 0.22, one in some thousands of daemons).
    """
    kinds = [msgspec.Struct]
    for kind in kinds:  # it grows as it is gone through
        kinds += kind.__subclasses__()
        msgspec.msgpack.Decoder(kind)
    _usual()


def known(kind: type[T]) -> type[T]:
    """That struct, once msgspec has looked at it: for clients, of which a program may have one in each thread."""
    if kind not in _known:
        with _first_use:
            msgspec.msgpack.Decoder(kind)
            _known.add(kind)
    return kind


def decode(body: bytes, kind: type[T]) -> T:
    """A message of a known kind: a reply or an event for a client, mail between actors.

    Raises:
        Undecodable: the bytes are no msgpack, or not of that kind.

    """
    try:
        return msgspec.convert(msgpack.unpackb(body), kind)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise Undecodable(str(error)) from error


def decode_plain(body: bytes) -> Any:
    """Plain data that this program itself encoded and stored."""
    return msgpack.unpackb(body)


def decode_reply(body: bytes) -> Reply:
    """A reply, as a client reads it. Raises `Undecodable`."""
    return decode(body, known(Reply))


def reply_head(body: bytes) -> tuple[bytes, bool]:
    """The `re` (empty for nil) and the `ok` of a reply of ours, in a small part of the time that all of it takes.

    Whoever makes one begins it with `v`, `re` and `ok`, in this order.
    """
    if body[1:RE_AT] != HEAD:
        reply = decode_plain(body)
        return (reply["re"] or "").encode(), reply["ok"]
    size = body[RE_AT]
    if size == 0xD9:  # a string of up to 255 bytes: the usual id is 32 hexadecimal digits
        start, size = RE_AT + 2, body[RE_AT + 1]
    elif size & 0xE0 == 0xA0:  # one of up to 31, with its length in the same byte
        start, size = RE_AT + 1, size & 0x1F
    elif size == 0xDA:
        start, size = RE_AT + 3, int.from_bytes(body[RE_AT + 1 : RE_AT + 3])
    else:
        start, size = RE_AT + 1, 0
    end = start + size
    return body[start:end], body[end + len(OK)] == 0xC3


def decode_event(body: bytes) -> Event:
    """An event, as a subscriber reads it. Raises `Undecodable`."""
    return decode(body, known(Event))


def decode_command(body: bytes | memoryview) -> tuple[str | None, AnyCommand | CommandRefused]:
    """A command from outside, or the refusal it earns, and before either its id where one could be read.

    Never raises: whatever the bytes are, there is a reply to send. Any thread.
    """
    if len(body) > limits.MAX_BODY_BYTES:
        limit = {"limit": limits.MAX_BODY_BYTES, "size": len(body)}
        return None, TooLarge(f"the body has {len(body)} bytes; at most {limits.MAX_BODY_BYTES} are taken", limit)
    if USUAL.match(body):
        with suppress(msgspec.MsgspecError, CommandRefused, UnicodeDecodeError, RecursionError):
            command = _usual().decode(body)
            if isinstance(command, Boost):
                _check_boost(command)
            return command.id, command
    return decode_any(body)  # which says what is wrong


@cache
def _usual() -> "msgspec.msgpack.Decoder[AnyCommand]":
    """Made when it is needed, for it takes milliseconds: a client needs it for its first `submit`, and not before."""
    with _first_use:
        return msgspec.msgpack.Decoder(AnyCommand)


class _Count:
    """Called with each map and array as it is made, those within others first. Raises `TooLarge`."""

    def __init__(self) -> None:
        self._room = limits.MAX_CONTAINERS

    def __call__(self, container: T) -> T:
        self._room -= 1
        if self._room < 0:
            limit = {"limit": limits.MAX_CONTAINERS, "path": ROOT}
            raise TooLarge(f"the body holds more than {limits.MAX_CONTAINERS} maps and arrays", limit)
        return container


def _unpack(body: bytes | memoryview, **options: Any) -> Any:
    """What a stranger's bytes hold. Raises ValueError, `UnpackException`, `RecursionError` or `TooLarge`."""
    count = _Count()
    return msgpack.unpackb(body, object_hook=count, list_hook=count, **options)


def decode_any(body: bytes | memoryview) -> tuple[str | None, AnyCommand | CommandRefused]:
    """The same for a body that need not be as most are: in two steps, so that it can be said what is wrong with it."""
    try:
        raw = _unpack(body)
    except TooLarge as refusal:
        return None, refusal
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        return _blame(body, error)
    if not isinstance(raw, dict):
        return None, Invalid.at(ROOT, f"the body must be a msgpack map, not {_kind(raw)}")
    found = raw.get("id")
    command_id = found if isinstance(found, str) and 0 < len(found) <= limits.MAX_ID_CHARS else None
    try:
        return command_id, _validate(raw)
    except CommandRefused as refusal:
        return command_id, refusal


def _blame(body: bytes | memoryview, error: Exception) -> tuple[str | None, Invalid]:
    """What is wrong with bytes that are no message, and the id where only another part of them is wrong."""
    refusal = Invalid.at(ROOT, f"the body is not one msgpack map with string keys: {_say(error)}")
    if len(body) > BLAMED_BYTES:
        return None, refusal
    try:
        raw = _unpack(body, raw=True, strict_map_key=False)
        _check_nesting(raw, limits.MAX_NESTING)
    except (ValueError, msgpack.UnpackException, RecursionError, CommandRefused, AttributeError, TypeError):
        return None, refusal
    if not isinstance(raw, dict):
        return None, refusal
    found = raw.get(b"id")
    command_id = _text(found) if isinstance(found, bytes) and 0 < len(found) <= limits.MAX_ID_CHARS else None
    path = (_not_text(raw) or "")[: 4 * SHOWN_CHARS]
    return command_id, Invalid.at(path, f"`{path}` is not text, which is UTF-8") if path else refusal


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _not_text(value: Any) -> str | None:
    """The path of the first string or key that is not UTF-8, or of a key that is no string."""
    if isinstance(value, bytes):
        return "" if _text(value) is None else None
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        name = _text(key) if isinstance(key, bytes) else None
        step = f"[{key}]" if isinstance(value, list) else name if name is not None else f"{key!r:.{SHOWN_CHARS}}"
        below = _not_text(child)
        if below is None and (isinstance(value, list) or name is not None):
            continue
        return step if not below else f"{step}{below}" if below.startswith("[") else f"{step}.{below}"
    return None


def _validate(raw: dict[Any, Any]) -> AnyCommand:
    if "v" not in raw:
        raise Invalid.at("v", f"`v` is missing; it must be {limits.PROTOCOL_VERSION}")
    version = raw["v"]
    if type(version) is not int:
        raise Invalid.at("v", f"`v` must be the number {limits.PROTOCOL_VERSION}, not {_kind(version)}")
    if version != limits.PROTOCOL_VERSION:
        raise Unsupported(
            f"`v` {version} is not spoken here; this is protocol {limits.PROTOCOL_VERSION}", {"path": "v"}
        )
    if "type" not in raw:
        raise Invalid.at("type", f"`type` is missing; it must be one of {', '.join(sorted(COMMANDS))}")
    name = raw["type"]
    if not isinstance(name, str):
        raise Invalid.at("type", f"`type` must be a string, not {_kind(name)}")
    kind = COMMANDS.get(name)
    if kind is None:
        known = ", ".join(sorted(COMMANDS))
        raise Unsupported(f"`type` {name[:SHOWN_CHARS]!r} is not known; it must be one of {known}", {"path": "type"})
    _check_nesting(raw, limits.MAX_NESTING)
    try:
        command: AnyCommand = msgspec.convert(raw, kind)  # type: ignore[assignment] # COMMANDS holds these only
    except msgspec.ValidationError as error:
        raise _invalid(str(error), raw, kind) from None
    if isinstance(command, Boost):
        _check_boost(command)
    return command


def _check_boost(boost: Boost) -> None:
    """One way to say where: `priority`, `by` or `front`."""
    ways = [name for name in ("priority", "by") if getattr(boost, name) is not None] + ["front"] * boost.front
    if len(ways) != 1:
        given = " and ".join(f"`{way}`" for way in ways) or "none"
        where = ways[1] if ways else "priority"
        raise Invalid.at(where, f"exactly one of `priority`, `by` and `front: true` must be given, not {given}")


def _check_nesting(value: dict[Any, Any] | list[Any], room: int) -> None:
    if room == 0:
        raise Invalid.at(ROOT, f"maps and arrays are nested deeper than {limits.MAX_NESTING}")
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, (dict, list)):
            _check_nesting(child, room - 1)


def _invalid(message: str, raw: dict[Any, Any], kind: type) -> Invalid:
    """A msgspec message, such as ``Expected `str`, got `int` - at `$.job.name` ``, as a refusal with its path."""
    at = PLACED.match(message)
    what, place, is_key = (at["what"], at["path"], at["key"] is not None) if at else (message, "", False)
    path = place
    within = place.removesuffix("[...]")
    if within in MAPS and (within != place or is_key):
        path = within + _entry(raw, within)
    if at and what.startswith((NO_CHOICE, OF_A_FORM)):
        from bus.right import right  # noqa: PLC0415 # a millisecond that only a refusal pays

        given = f", not {what.removeprefix(NO_CHOICE)[:SHOWN_CHARS]}" if what.startswith(NO_CHOICE) else ""
        name = ": a name" if is_key else ""
        return Invalid.at(path, f"`{path}`{name} must be {right(kind, place, is_key=is_key)}{given}")
    field = FIELD_ERROR.match(what)
    if field:
        path = f"{path}.{field['field']}" if path else field["field"]
        path = path[: 4 * SHOWN_CHARS]
        problem = "is not a known field" if "unknown" in what else "is missing"
        return Invalid.at(path, f"`{path}` {problem}")
    return Invalid.at(path or ROOT, f"`{path}`: {what[0].lower()}{what[1:]}" if path else what)


def _entry(raw: dict[Any, Any], path: str) -> str:
    """The step of a path from one of `MAPS` to its first entry that may not be."""
    entries = raw
    for step in path.split("."):
        entries = entries[step]
    for key, value in entries.items():
        try:
            msgspec.convert({key: value}, MAPS[path])
        except msgspec.ValidationError:
            return f".{key[:SHOWN_CHARS]}"
    return ""


def _kind(value: Any) -> str:
    """What a value from outside is, in the words of msgpack."""
    names = {
        dict: "a map",
        list: "an array",
        str: "a string",
        bytes: "binary",
        bool: "a boolean",
        int: "an integer",
    }
    return names.get(type(value), "nil" if value is None else f"a {type(value).__name__}")


def _say(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:SHOWN_CHARS]
