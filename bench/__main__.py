"""The outermost door: Ctrl-C ends quietly also while the commands are still being imported."""

from __future__ import annotations

import sys

from bench.exits import INTERRUPTED


def main() -> None:
    """Run the command that was typed."""
    try:
        from bench.cli import main as door  # noqa: PLC0415  it takes a tenth of a second
        from bench.cli.streams import hold_streams  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    hold_streams()
    door()


if __name__ == "__main__":
    main()
