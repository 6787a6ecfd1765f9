"""`make man`: man pages and completion scripts, made from the command line; tables of docs/, made from the catalogues.

    python deploy/make_man.py [FOLDER]

writes FOLDER/man/rushes.1, a page for each command, FOLDER/completions, and the pages of FOLDER/docs that have tables.
What is there of a command that is gone is removed. A test makes them anew and compares.
"""

import inspect
import re
import sys
from importlib.metadata import version
from pathlib import Path

import click
from click.shell_completion import get_completion_class

import actors.catalogue
import actors.metrics.catalogue
from actors.__main__ import main as serve
from actors.doctor.__main__ import main as doctor
from cli.group import COMMANDS, SECTIONS, rushes

HERE = Path(__file__).parent

BY_THE_DAEMON = {"serve": serve, "doctor": doctor}
"""Commands that the command line hands over, and so does not know the options of."""

COMPLETIONS = {"bash": "rushes.bash", "zsh": "_rushes", "fish": "rushes.fish"}
"""The name under which each shell looks for a script."""

TABLES = {"log.md": actors.catalogue.as_markdown(), "metrics.md": actors.metrics.catalogue.as_markdown()}
"""Pages of docs/, which are written by hand but for a table."""

EXIT_STATUS = {
    "0": "It is done.",
    "1": "The daemon refused; the code and the reason are on stderr. With \\-\\-wait also: a job did not complete.",
    "2": "Wrong usage.",
    "3": "No daemon answered.",
}

ENVIRONMENT = {
    "RUSHES_BUS": "Where the daemon is, for it and for all commands: ipc:///folder or tcp://127.0.0.1:PORT.",
    "RUSHES_CONFIG": "The daemon's configuration, a TOML file.",
    "RUSHES_DATA, RUSHES_SLOTS, RUSHES_FFMPEG, ...": "Settings of the daemon, see rushes\\-serve(1).",
    "RUSHES_TRACEBACK": "Set: a defect of the command line shows where it is.",
    "NO_COLOR": "Set: nothing is coloured.",
}

FILES = {
    "~/.local/state/rushes": "The data folder, where none is given: jobs, events, FFmpeg's logs.",
    "$XDG_RUNTIME_DIR/rushes": "The bus, where none is given.",
}


def roff(text: str) -> str:
    """Text as man shows it as it is: no sign of it is an order to the formatter."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return re.sub(r"^(?=\.)", "\\&", escaped, flags=re.MULTILINE).replace("…", "...").replace("–", "\\(en")


def title(name: str) -> str:
    """The first lines of a page, whose text is neither hyphenated nor spread: it holds words to be typed."""
    return f'.TH "{roff(name).upper()}" "1" "" "Rushes {version("rushes")}" "Rushes"\n.nh\n.ad l\n'


def section(heading: str, body: str) -> str:
    """A section, with a body in roff."""
    return f'.SH "{heading}"\n{body.rstrip()}\n'


def entries(found: dict[str, str]) -> str:
    """Terms, each with what it means, in roff."""
    return "".join(f".TP\n\\fB{term}\\fR\n{meaning}\n" for term, meaning in found.items())


def paragraphs(text: str) -> str:
    """The help of a command: what stands behind a click `\\b` keeps its lines, the rest is filled."""
    parts = []
    for part in re.split(r"\n\s*\n", text):
        if part.lstrip().startswith("\b"):
            lines = part.replace("\b", "").strip("\n").splitlines()
            parts.append(".PP\n.nf\n" + "\n".join(roff(line) for line in lines) + "\n.fi")
        else:
            parts.append(".PP\n" + roff(" ".join(part.split())))
    return "\n".join(parts).replace("\n.nf\n.fi", "")


def command_of(name: str) -> click.Command:
    """A command with its options."""
    found = BY_THE_DAEMON.get(name) or rushes.get_command(click.Context(rushes), name)
    assert found is not None, name
    return found


def page(name: str) -> str:
    """The page of one command."""
    command = command_of(name)
    group = click.Context(rushes, info_name="rushes", help_option_names=["-h", "--help"])
    context = click.Context(command, info_name=name, parent=group)
    help_text = inspect.cleandoc(command.help or "")
    summary = re.split(r"(?<=\.)\s|\n\n|\b:\s", help_text.strip())[0].rstrip(".")
    usage = " ".join(command.collect_usage_pieces(context))
    options = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            options[roff(record[0])] = roff(record[1])
    body = [
        title(f"rushes-{name}"),
        section("NAME", f"rushes\\-{roff(name)} \\- {roff(' '.join(summary.split()))}"),
        section("SYNOPSIS", f"\\fBrushes {roff(name)}\\fR {roff(usage)}"),
        section("DESCRIPTION", paragraphs(help_text)),
        section("OPTIONS", entries(options)),
        section("SEE ALSO", "rushes(1)"),
    ]
    return "".join(body)


def main_page() -> str:
    """The page of all of it."""
    commands = []
    for heading, lines in SECTIONS.items():
        commands.append(f'.SS "{roff(heading)}"\n')
        commands.append(entries({roff(names): roff(summary) for names, summary in lines.items()}))
    body = [
        title("rushes"),
        section(
            "NAME", f"rushes \\- {roff('runs FFmpeg jobs: queued, watched, stopped when asked, proved when done')}"
        ),
        section("SYNOPSIS", "\\fBrushes\\fR \\fICOMMAND\\fR [\\fIARGS\\fR]..."),
        section(
            "DESCRIPTION",
            ".PP\nA daemon keeps a queue of jobs on disk, runs FFmpeg for them, and tells everyone who listens what "
            "happened.\nEach command has a page of its own, such as rushes\\-submit(1), and \\fB\\-\\-help\\fR.",
        ),
        section("COMMANDS", "".join(commands)),
        section("EXIT STATUS", entries(EXIT_STATUS)),
        section("ENVIRONMENT", entries(ENVIRONMENT)),
        section("FILES", entries({roff(path): roff(meaning) for path, meaning in FILES.items()})),
        section("SEE ALSO", ", ".join(f"rushes\\-{roff(name)}(1)" for name in COMMANDS) + ", ffmpeg(1)"),
    ]
    return "".join(body)


def completion(shell: str) -> str:
    """What `rushes completion` prints for a shell."""
    kind = get_completion_class(shell)
    assert kind is not None
    return kind(rushes, {}, "rushes", "_RUSHES_COMPLETE").source() + "\n"


def with_table(page: str, table: str) -> str:
    """The page with that table in the place of the one with the same head."""
    head = re.escape(table.partition("\n")[0])
    made, count = re.subn(rf"^{head}\n(\|.*\n)+", lambda _: table, page, flags=re.MULTILINE)
    assert count == 1, f"the page has no table that begins with {head}"
    return made


def make(folder: Path) -> None:
    """Write all of them."""
    pages = {"rushes.1": main_page(), **{f"rushes-{name}.1": page(name) for name in COMMANDS}}
    scripts = {file: completion(shell) for shell, file in COMPLETIONS.items()}
    for below, files in (("man", pages), ("completions", scripts)):
        (folder / below).mkdir(parents=True, exist_ok=True)
        for old in (folder / below).iterdir():
            if old.name not in files:
                old.unlink()
        for name, text in files.items():
            (folder / below / name).write_text(text)
    (folder / "docs").mkdir(exist_ok=True)
    for name, table in TABLES.items():
        (folder / "docs" / name).write_text(with_table((HERE / "docs" / name).read_text(), table))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
