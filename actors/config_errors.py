"""What is wrong with a setting, in words that say what would be right: msgspec's own are of types."""

import re
from collections.abc import Iterator, Mapping

from msgspec import inspect

PLACE = re.compile(r"(.*) - at (`key` in )?`\$\.(.*)`\Z", re.DOTALL)
"""The end of msgspec's messages. It does not say which key of a map it means: `$.roles[...]`."""

FIELD = re.compile(r"Object (contains unknown|missing required) field `(.*)`")
WITHOUT_BOUND = 2**63 - 1


def explain(error: str, config: type, told_by: Mapping[str, str]) -> str:
    """A line for people.

    Args:
        error: msgspec's message, such as ``Expected `int` >= 1 - at `$.slots` ``.
        config: the struct that was to be made.
        told_by: who set each of its fields.

    """
    at = PLACE.search(error)
    problem, is_key, place = (at[1], bool(at[2]), at[3]) if at else (error, False, "")
    kind = _kind_at(config, place)
    name = re.sub(r"\[\.\.\.\]", "", place)
    if field := FIELD.match(problem):
        name = f"{name}.{field[2]}".lstrip(".")
        there = f"there is none of that name; there are {', '.join(_fields(kind))}"
        said = there if field[1] == "contains unknown" else "is missing"
    elif " of length " in problem:
        said = f"must be of a length {problem.partition(' of length ')[2]}"
    elif is_key:
        table = _bare(kind)
        assert isinstance(table, inspect.DictType), "nothing else has keys of its own"
        said = f"a name in it must be {_right(table.key_type)}"
    else:
        said = f"must be {_right(kind)}"
    return f"setting {name} (from {told_by.get(re.split(r'[.[]', name)[0], 'nowhere')}): {said}"


def _kind_at(config: type, place: str) -> inspect.Type:
    """What may stand at a place such as `formats[...].extension`."""
    kind = inspect.type_info(config)
    for part in re.sub(r"\[[^\]]*\]", ".*", place).split(".") if place else ():
        match _bare(kind):
            case inspect.StructType(fields=fields):
                kind = next(field.type for field in fields if field.encode_name == part)
            case inspect.DictType(value_type=kind) | inspect.ListType(item_type=kind):
                pass
            case inspect.VarTupleType(item_type=kind):
                pass
    return kind


def _bare(kind: inspect.Type) -> inspect.Type:
    """The type without what is said about it, and without the None that it may be."""
    while True:
        match kind:
            case inspect.Metadata(type=inner):
                kind = inner
            case inspect.UnionType(types=types):
                kind = next(one for one in types if not isinstance(one, inspect.NoneType))
            case _:
                return kind


def _fields(kind: inspect.Type) -> Iterator[str]:
    bare = _bare(kind)
    if isinstance(bare, inspect.StructType):
        yield from (field.encode_name for field in bare.fields)


def _right(kind: inspect.Type) -> str:
    """What would be right, as it follows on "must be"."""
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
