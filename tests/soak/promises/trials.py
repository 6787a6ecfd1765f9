"""What was only tried (`dry_run`) left no event and no audit entry, and is not remembered."""

from collections.abc import Iterator

from tests.soak.evidence import Evidence


def check(evidence: Evidence) -> Iterator[str]:
    """Traces of trials."""
    caused = {event["command_id"] for event in evidence.events}
    audited = {entry["command_id"] for entry in evidence.audit}
    for one in evidence.asked:
        if not one.is_tried:
            continue
        if one.id in caused:
            yield f"there are events of what was only tried: {one}"
        if one.id in audited:
            yield f"there is an audit entry of what was only tried: {one}"
        if one.result is not None and one.result["dry_run"] is not True:
            yield f"the result does not say that it was only tried: {one}"
    for again in evidence.tried_again:
        if again.refusal == "id_reused":
            yield f"what was only tried is remembered: {again}"
