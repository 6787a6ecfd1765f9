"""`rushes show`: everything about one job."""

import click

from bus.client import Client
from bus.messages import JobView, OutputView
from cli import text
from cli.jobs import find
from cli.lines import pace
from cli.options import job_id, with_client
from cli.output import is_terminal, note, print_json, say
from cli.table import Column, state, table

LABEL_CELLS = 11


@click.command()
@job_id
@with_client
def show(client: Client, /, *, given: str, as_json: bool) -> None:
    """Everything about one job.

    \b
    Example:
      rushes show k3xm
    """
    result = client.get(find(client, given))
    if as_json:
        print_json(result)
        return
    job = result.job
    say("\n".join(f"{label:{LABEL_CELLS}}{value}" for label, value in _facts(job) if value))
    say("")
    say(table(OUTPUT_COLUMNS, [_output_row(output) for output in job.outputs]))
    if job.status == "failed" and is_terminal():
        note(f"\nrushes log {job.id} shows what FFmpeg said; rushes retry {job.id} tries again.")


def _facts(job: JobView) -> list[tuple[str, str]]:
    """What is known, line by line; a line without a value is left out."""
    facts = [
        ("job", click.style(job.id, bold=True)),
        ("name", text.clean(job.name or "")),
        ("session", text.clean(job.session or "")),
        ("status", _status(job)),
        ("error", _error(job)),
        ("remedy", _remedy(job)),
        ("waits", text.said(job.waiting.message) if job.waiting else ""),
        ("cancelled", _cancel(job)),
        ("paused", _paused(job)),
        ("priority", str(job.priority)),
        ("takes", ", ".join(f"{count} {name}" for name, count in (job.resources or {}).items())),
        ("attempts", f"{job.attempts} of {job.max_attempts}"),
        ("submitted", f"{_time(job.created_at)}, by {text.clean(job.submitted_by)}"),
        ("started", _time(job.started_at)),
        ("finished", _time(job.finished_at)),
        ("expires", text.local_time(job.expires_at)),
    ]
    label = "metadata"
    for key, value in job.metadata.items():
        facts.append((label, f"{text.clean(key)} = {text.clean(value)}"))
        label = ""
    return facts


def _status(job: JobView) -> str:
    standing = text.standing(job)
    parts = [state(standing)]
    if job.position:
        parts.append(f"place {job.position} in the queue")
    if job.status == "processing":
        parts += [
            "" if job.phase == standing else job.phase or "",
            f"{text.bar(job.progress)} {text.percent(job.progress)}".rstrip(),
            pace(job),
        ]
    return "  ".join(part for part in parts if part)


def _error(job: JobView) -> str:
    if job.error is None:
        return ""
    again = "; a retry may help" if job.error.retryable else ""
    return f"{click.style(job.error.code, fg='red')}: {text.clean(job.error.message)}{again}"


def _remedy(job: JobView) -> str:
    return text.clean(job.error.remedy) if job.error and job.error.remedy else ""


def _cancel(job: JobView) -> str:
    if job.cancel is None:
        return ""
    notes = f": {job.cancel.notes}" if job.cancel.notes else ""
    return f"{_time(job.cancel.at)}, by {text.clean(f'{job.cancel.by}, {job.cancel.reason}{notes}')}"


def _paused(job: JobView) -> str:
    if job.paused is None:
        return ""
    released = ", without its slots" if job.paused.released else ""
    return f"{_time(job.paused.at)}, by {text.clean(job.paused.by)}{released}"


def _time(at: str | None) -> str:
    return f"{text.local_time(at)} ({text.age(at)} ago)" if at else ""


OUTPUT_COLUMNS = [
    Column("#", right=True),
    Column("OUTPUT", states=True),
    Column("DONE", right=True),
    Column("SIZE", right=True),
    Column("LENGTH", right=True),
    Column("PICTURE"),
    Column("PATH"),
]


def _output_row(output: OutputView) -> list[str]:
    name = f" ({text.clean(output.name)})" if output.name else ""
    unproved = " (not verified)" if output.verify == "none" else ""
    return [
        str(output.index),
        output.status,
        text.percent(output.progress),
        text.size(output.size),
        text.clock(output.duration),
        text.picture(output),
        text.clean(output.path) + name + unproved,
    ]
