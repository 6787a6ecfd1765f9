"""`rushes slots`: how many jobs of which kind may run at once."""

import click

from bus.client import Client
from bus.messages import ResourceView
from cli.options import with_client
from cli.output import print_json, say
from cli.slots import option


@click.command()
@click.argument("slots", nargs=-1, metavar="[RESOURCE=N...]", callback=option)
@with_client
def slots(client: Client, /, *, slots: dict[str, int] | None, as_json: bool) -> None:
    """Show the slots, or change how many there are.

    More start what waits, at once; fewer end nothing that runs. A change holds over restarts, until the daemon's
    configuration says another number than it does now.

    \b
    Examples:
      rushes slots
      rushes slots cpu=4 nvenc=1
    """
    if slots is None:
        resources = client.status().resources
        if as_json:
            print_json({"resources": resources})
        else:
            say("\n".join(_lines(resources)))
        return
    result = client.set_slots(slots)
    if as_json:
        print_json(result)
    else:
        say(", ".join(f"{name} {result.slots[name]} (was {result.was[name]})" for name in slots))


def _lines(resources: dict[str, ResourceView]) -> list[str]:
    cells = max(map(len, resources), default=0)
    return [f"{name:{cells}}  {one.used} of {one.total} taken" for name, one in resources.items()]
