"""What a report costs to open: nothing of torch, and no plots for a table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parents[2]

READ = """
import sys
import msgspec
from bench.records import Run
run = msgspec.json.decode(open(sys.argv[1], "rb").read(), type=Run)
"""

FILES = "import bench.report\nassert len(dict(bench.report.files(run))) == 10\n"
TERMINAL = """
import bench.report
from rich.console import Console
from bench.report.terminal import show
show(run, Console(file=open(sys.argv[2], "w", encoding="utf-8"), width=100))
"""


def _imported(tmp_path, run, code):
    record = tmp_path / "run.json"
    record.write_bytes(msgspec.json.encode(run))
    code = READ + code + "print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code, record, tmp_path / "terminal"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_no_report_imports_torch_or_the_harness(make_run, tmp_path):
    imported = _imported(tmp_path, make_run(("policy",), strategies=("full", "detach")), FILES)
    assert imported & {"pandas", "matplotlib"}
    assert not imported & {"torch", "torchvision", "strategies", "bench.run", "bench.measure"}


@pytest.mark.parametrize("heavy", ["matplotlib", "seaborn", "pandas", "numpy"])
def test_the_terminal_table_imports_nothing_heavy(make_run, tmp_path, heavy):
    run = make_run(("policy",), strategies=("full", "detach"))
    assert heavy not in _imported(tmp_path, run, TERMINAL)
