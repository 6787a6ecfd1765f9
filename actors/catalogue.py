"""Every line that the daemon's log can have: its name, how grave it is, its keys, and what it means.

`info` is what happened; `warning` what a person may want to look at; `error` what a person must. A call with a name, a
level or a key that is not here fails the tests; `make man` brings this table to operators, in `deploy/docs/log.md`.
"""

from typing import Literal, NamedTuple

Level = Literal["info", "warning", "error"]

EVERYWHERE = ("at", "level", "event", "actor")
"""Stand first in every line, in this order; `actor` where there is one."""

WHERE_THEY_APPLY = ("job_id", "run", "output", "command_id", "by")
"""Stand in every line to which they apply: which job, which start of it, which of its outputs, which command, whose."""


class Entry(NamedTuple):
    """One kind of line. `keys` are those that no other rule gives it, in one string."""

    level: Level
    keys: str
    means: str


CATALOGUE: dict[str, Entry] = {
    # the daemon
    "daemon_starting": Entry("info", "pid data bus slots", "the process runs, with these settings"),
    "ffmpeg_found": Entry("info", "path version", "which FFmpeg will be used"),
    "format_unusable": Entry(
        "warning",
        "format error",
        "FFmpeg does not take a preset; jobs that name it are refused",
    ),
    "daemon_ready": Entry("info", "", "commands are taken"),
    "daemon_stopping": Entry("info", "mode signal", "an ordered stop began: by a command, or by a signal"),
    "stop_overdue": Entry(
        "warning", "jobs", "an ordered stop took too long; what still runs is left for the next daemon"
    ),
    "daemon_stopped": Entry("info", "exit_status", "everything has ended in order"),
    "daemon_failed": Entry("error", "error exception", "the daemon ends because it cannot go on"),
    "actor_died": Entry("error", "error traceback", "a part of the daemon ended with an error; it is started again"),
    "actor_restarted": Entry("warning", "address restarts", "it was started again, so often within a minute"),
    "restart_budget_spent": Entry("error", "address error", "too many restarts; the daemon ends, its children run on"),
    "log_lines_dropped": Entry("warning", "lines", "the log's reader was too slow for so many lines before this one"),
    "metrics_served": Entry("info", "url", "where Prometheus may read how the daemon does"),
    "metrics_failed": Entry("error", "error exception", "a scrape could not be answered, or not be taken"),
    # commands
    "command_done": Entry("info", "type", "it was carried out and is on disk"),
    "command_refused": Entry("info", "type code message", "it was refused"),
    "command_failed": Entry("error", "exception", "a defect showed while it was handled; nothing was changed"),
    "connections_refused": Entry(
        "warning", "limit", "most descriptors are in use: whoever comes is cut off until some left"
    ),
    "reply_dropped": Entry("warning", "count", "clients did not read so many replies since the last such line"),
    # the store
    "store_unavailable": Entry("error", "error", "a transaction could not be written, nothing of it was changed"),
    "store_reopened": Entry("warning", "last_seq", "after the disk had failed, all that was acknowledged is there"),
    "store_full": Entry("error", "path", "its disk is full: only cancel, delete, drain, resume and shutdown are taken"),
    "store_has_room": Entry("info", "path", "it has room again, and all commands are taken"),
    "store_damaged": Entry("error", "error", "it cannot be trusted; the daemon ends, its children run on: what to do"),
    "backup_made": Entry("info", "path size", "a copy of the store"),
    "backup_failed": Entry("error", "error", "no copy of the store could be made"),
    # jobs
    "job_started": Entry("info", "attempt", "a job got a slot"),
    "output_started": Entry("info", "", "FFmpeg was started for an output"),
    "output_completed": Entry("info", "path size duration", "an output is proved and stands under its name"),
    "child_signalled": Entry("info", "stage", "a rung of the stop ladder was taken"),
    "job_completed": Entry("info", "", "all outputs are proved"),
    "job_failed": Entry("warning", "code message retryable", "a job failed"),
    "job_requeued": Entry("info", "why code message not_before", "a job waits again, and what its attempt failed of"),
    "job_paused": Entry("info", "", "a job is held where it is"),
    "job_unpaused": Entry("info", "", "it goes on"),
    "slots_changed": Entry("info", "slots was", "how many slots there are of each resource"),
    "job_cancelled": Entry("info", "reason", "a job was cancelled and its process group is empty"),
    "job_deleted": Entry("info", "removed missing failed", "a job is gone, and what became of its files"),
    "job_expired": Entry("info", "removed missing failed", "a job's time was over and it is gone"),
    "disk_low": Entry(
        "warning", "path free floor", "a disk has too little room for another output, and jobs wait for it"
    ),
    "disk_ok": Entry("info", "path free", "it has room again"),
    # children
    "child_started": Entry("info", "pid", "a process group was made"),
    "child_adopted": Entry("info", "pid", "a child of an earlier daemon was found and taken over"),
    "child_lost": Entry("warning", "why", "a child of an earlier daemon could not be taken over"),
    "child_ended": Entry("info", "pid exit_status", "a process group is empty"),
    "leftover_removed": Entry("info", "path", "a file that a crash had left was removed"),
    "leftover_kept": Entry("warning", "path error", "a file could not be removed: a person has to"),
    # webhooks
    "webhook_started": Entry(
        "info", "url after is_new", "a hook delivers what comes after that event; a new one, from now on"
    ),
    "webhook_delivered": Entry("info", "seq type", "an event was taken (2xx)"),
    "webhook_failing": Entry(
        "warning", "url seq why", "an event was not taken; it is tried again, and nothing is skipped"
    ),
    "webhook_works": Entry("info", "url tries seconds", "events are taken again, after so many failed tries"),
    "webhook_refused": Entry(
        "warning", "seq type why", "an event was refused (4xx) for so long that it is given up; the next ones follow"
    ),
    "webhook_gone": Entry("warning", "seq", "the receiver wants nothing more (410): until the daemon is started again"),
    "webhook_missed": Entry(
        "warning", "count first last", "so many events, wanted or not, were forgotten before they could be delivered"
    ),
    "webhook_place_unsaved": Entry(
        "warning", "error", "the disk does not take how far a hook is; after a crash it repeats"
    ),
    "webhook_place_lost": Entry(
        "warning", "path", "that file makes no sense: all that history has is delivered (again)"
    ),
    "webhook_died": Entry("error", "exception", "a defect showed in a hook; it begins anew where it was"),
}


def keys_of(name: str) -> frozenset[str]:
    """Every key that a line of that name may have."""
    return frozenset((*EVERYWHERE, *WHERE_THEY_APPLY, *CATALOGUE[name].keys.split()))


def as_markdown() -> str:
    """The table, for people."""
    lines = ["| event | level | keys | |", "| --- | --- | --- | --- |"]
    for name, entry in CATALOGUE.items():
        keys = " ".join(f"`{key}`" for key in entry.keys.split())
        lines.append(f"| `{name}` | {entry.level} | {keys} | {entry.means} |")
    return "\n".join(lines) + "\n"
