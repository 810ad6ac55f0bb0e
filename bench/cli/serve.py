"""`freezebench serve`: the runs of a results folder in the browser of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.telling import refuse, told_in_a_sentence


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=8008, show_default=True,
              help="0 takes one that is free.")  # fmt: skip
def serve(results: Path, port: int) -> None:
    """Show the runs of a results folder in the browser of this machine, until Ctrl-C.

    RESULTS is the folder. Nothing is written, and no other machine can connect.
    """
    from bench.page import PageError  # noqa: PLC0415
    from bench.page.environment import environment  # noqa: PLC0415
    from bench.page.serve import LOOPBACK, serving  # noqa: PLC0415

    if not results.is_dir():
        refuse(f"{results} is no folder; name a results folder, such as results/")
    with told_in_a_sentence(PageError):
        environment()
    try:
        with serving(results, port) as server:
            click.echo(f"http://{LOOPBACK}:{server.server_port}/ shows {results}; Ctrl-C ends it")
            server.serve_forever()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        refuse(f"port {port} cannot be used: {reason}; choose another with --port, or 0")
    except KeyboardInterrupt:
        click.echo()
