"""The outermost door: Ctrl-C ends quietly also while the commands are still being imported."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # as `bench.cli.exits` has it, which is not there yet


def main() -> None:
    """Run the command that was typed."""
    try:
        from bench.cli import main as door  # noqa: PLC0415  it takes a tenth of a second
        from bench.cli.broken_pipe import outlive_readers  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    outlive_readers()
    door()


if __name__ == "__main__":
    main()
