"""`rushes completion`: the script that teaches a shell to complete."""

import click
from click.shell_completion import get_completion_class

from cli.output import say


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, /, *, shell: str) -> None:
    """Print the completion script of a shell. It completes commands, options and job ids.

    \b
    Examples:
      rushes completion bash > ~/.local/share/bash-completion/completions/rushes
      rushes completion zsh > ~/.zfunc/_rushes
      rushes completion fish > ~/.config/fish/completions/rushes.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    say(kind(ctx.find_root().command, {}, "rushes", "_RUSHES_COMPLETE").source())
