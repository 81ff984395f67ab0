"""`noda-train models`: the networks by name."""

from __future__ import annotations

import click

from noda_synth.errors import NodaError


@click.command("models")
@click.option("--keys", metavar="MODEL", help="List the state-dict keys and shapes of one network.")
def command(keys: str | None) -> None:
    """The networks: parameters and state-dict entries, with 16 joints."""
    from noda_train.models import build, parameter_count
    from noda_train.settings import CHOICES

    if keys is not None:
        if keys not in CHOICES["model"]:
            raise NodaError(f"no network {keys}; there are {', '.join(CHOICES['model'])}")
        for key, value in build(keys).state_dict().items():
            click.echo(f"{key} {tuple(value.shape)}")
        return
    for name in CHOICES["model"]:
        network = build(name)
        click.echo(f"{name:12} {parameter_count(network):>12,} parameters {len(network.state_dict()):>5} entries")
