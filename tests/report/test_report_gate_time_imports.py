"""What the time gate's forms cost to open: nothing heavy for any but the plot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
from gate_time_records import failed

ROOT = Path(__file__).parents[2]

READ = """
import sys
import io
import msgspec
from rich.console import Console
from bench.gate.time.record import Gate
from bench.report.gate.time_annotations import time_annotations
from bench.report.gate.time_junit import time_junit
from bench.report.gate.time_markdown import time_markdown
from bench.report.gate.time_text import show
found = msgspec.json.decode(sys.stdin.buffer.read(), type=Gate)
show(found, Console(file=io.StringIO(), width=80))
time_annotations(found), time_junit(found), time_markdown(found)
import json
print(json.dumps(sorted(sys.modules)))
"""


def test_no_form_but_the_plot_imports_anything_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=ROOT,
        input=msgspec.json.encode(failed()),
        capture_output=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"torch", "matplotlib", "numpy", "scipy", "pandas", "bench.run"}
