"""`rushes formats`: the output presets."""

import click

from bus.client import Client
from bus.messages import FormatView
from cli import text
from cli.options import with_client
from cli.output import print_json, print_table
from cli.table import Column


@click.command()
@with_client
def formats(client: Client, /, *, as_json: bool) -> None:
    """The output presets that a job can name, each tried with the daemon's FFmpeg.

    Those of the daemon's configuration (`[formats.NAME]`) come after the ones that Rushes brings.

    \b
    Examples:
      rushes formats
      rushes submit in.mov clip --format full_16_9,thumbnail
    """
    result = client.formats()
    if as_json:
        print_json(result)
    else:
        columns = [Column("FORMAT"), Column("SUFFIX"), Column("FROM"), Column("ARGUMENTS")]
        print_table(columns, [_row(one) for one in result.formats])


def _row(one: FormatView) -> list[str]:
    words = f"cannot be used: {one.error}" if one.error else " ".join(one.args)
    return [one.name, one.extension, "rushes" if one.built_in else "configuration", text.clean(words)]
