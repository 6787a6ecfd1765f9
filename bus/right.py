"""What may stand at a place of a message or a configuration, in words: msgspec's own errors speak of types.

Loaded where something is wrong, not before: looking a struct through takes a while.
"""

import re
from functools import cache

from msgspec import inspect

WITHOUT_BOUND = 2**63 - 1
"""The most that a TOML or msgpack number may be: no bound that a person needs to hear of."""

CONTAINERS = (inspect.StructType, inspect.DictType, inspect.ListType, inspect.VarTupleType)
"""What has places of its own."""


def right(struct: type, place: str, *, is_key: bool = False) -> str:
    """What is right at a place such as `outputs[0].verify`, as it follows on "must be"; `is_key`: as a map's key."""
    return _right_at(struct, _pattern(place), is_key)


def fields_at(struct: type, place: str) -> list[str]:
    """The fields that there are at a place."""
    kind = _bare(_kind_at(struct, _pattern(place)))
    return [field.encode_name for field in kind.fields] if isinstance(kind, inspect.StructType) else []


def _pattern(place: str) -> str:
    """The place without which element of a list or a map it is: there are as many of these as the struct has places."""
    return re.sub(r"\[[^\]]*\]", ".*", place)


@cache
def _right_at(struct: type, pattern: str, is_key: bool) -> str:
    kind = _kind_at(struct, pattern)
    table = _bare(kind)
    return _right(table.key_type if is_key and isinstance(table, inspect.DictType) else kind)


def _kind_at(struct: type, pattern: str) -> inspect.Type:
    kind = inspect.type_info(struct)
    for part in pattern.split(".") if pattern else ():
        match _bare(kind):
            case inspect.StructType(fields=fields):
                kind = next(field.type for field in fields if field.encode_name == part)
            case inspect.DictType(value_type=kind) | inspect.ListType(item_type=kind):
                pass
            case inspect.VarTupleType(item_type=kind):
                pass
    return kind


def _bare(kind: inspect.Type) -> inspect.Type:
    """The type without what is said about it; of several, that which has places of its own."""
    while True:
        match kind:
            case inspect.Metadata(type=inner):
                kind = inner
            case inspect.UnionType(types=types):
                bare = [_bare(one) for one in types if not isinstance(one, inspect.NoneType)]
                return next((one for one in bare if isinstance(one, CONTAINERS)), bare[0])
            case _:
                return kind


def _right(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=schema):
            return str((schema or {}).get("description", _right(inner)))
        case inspect.UnionType(types=types):
            return " or ".join(_right(one) for one in types if not isinstance(one, inspect.NoneType))
        case inspect.LiteralType(values=values):
            return "one of " * (len(values) > 1) + ", ".join(map(str, values))
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            whole = " whole" if isinstance(kind, inspect.IntType) else ""
            return f"a{whole} number{_range(kind)}"
        case inspect.StructType() | inspect.DictType():
            return "a table"
        case inspect.ListType() | inspect.VarTupleType():
            return "a list"
    return "a text"


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    low = f"more than {kind.gt:g}" if kind.gt is not None else f"{kind.ge:g}" if kind.ge is not None else None
    if low is None:
        return ""
    if kind.le in (None, WITHOUT_BOUND):
        return f", {low}" if kind.ge is None else f", {low} or more"
    return f", {low} to {kind.le:g}" if kind.gt is None else f", {low} and at most {kind.le:g}"
