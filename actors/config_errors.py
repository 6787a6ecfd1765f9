"""What is wrong with a setting: which, who set it, and what would be right."""

import re
from collections.abc import Mapping

from bus.right import fields_at, right

PLACE = re.compile(r"(.*) - at (`key` in )?`\$\.(.*)`\Z", re.DOTALL)
"""The end of msgspec's messages. It does not say which key of a map it means: `$.roles[...]`."""

FIELD = re.compile(r"Object (contains unknown|missing required) field `(.*)`")


def explain(error: str, config: type, told_by: Mapping[str, str]) -> str:
    """A line for people.

    Args:
        error: msgspec's message, such as ``Expected `int` >= 1 - at `$.slots` ``.
        config: the struct that was to be made.
        told_by: who set each of its fields.

    """
    at = PLACE.search(error)
    problem, is_key, place = (at[1], bool(at[2]), at[3]) if at else (error, False, "")
    name = place.replace("[...]", "")
    if field := FIELD.match(problem):
        name = f"{name}.{field[2]}".lstrip(".")
        there = f"there is none of that name; there are {', '.join(fields_at(config, place))}"
        said = there if field[1] == "contains unknown" else "is missing"
    elif " of length " in problem:
        said = f"must be of a length {problem.partition(' of length ')[2]}"
    else:
        said = ("a name in it " if is_key else "") + f"must be {right(config, place, is_key=is_key)}"
    return f"setting {name} (from {told_by.get(re.split(r'[.[]', name)[0], 'nowhere')}): {said}"
