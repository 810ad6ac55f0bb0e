from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from bench import store
from bench.__main__ import main as outermost
from bench.cli import main
from bench.records import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]

# A user's own model: small enough that a whole run takes a moment.
WORKLOADS = '''
import torch
from torch import nn
from bench.workloads import Workload

def mlp(batch=8, seed=0):
    """Two layers, the first frozen."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    batches = [(torch.randn(batch, 6), torch.randint(3, (batch,))) for _ in range(2)]
    return Workload(model, batches, frozen=["0"])

def huge(batch=8):
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    x = torch.empty(1, 6).expand(batch, 6)
    return Workload(model, [(x, torch.zeros(1, dtype=torch.long).expand(batch))], frozen=["0"])

def vector_loss():
    return Workload(mlp().model, mlp().batches, ["0"], lambda m, b: m(b[0]).sum(1))

def nan_loss():
    return Workload(mlp().model, mlp().batches, ["0"], lambda m, b: m(b[0]).sum() * float("nan"))

def wrong_batch():
    return Workload(mlp().model, [(torch.randn(8, 5), torch.zeros(8, dtype=torch.long))], ["0"])

def nothing_frozen():
    return Workload(mlp().model, mlp().batches, ["9"])

def nothing_trainable():
    return Workload(mlp().model, mlp().batches, ["*"])

def not_a_workload():
    return 3

def never_moves():
    return Workload(mlp().model, mlp().batches, ["0"], lambda m, b: m(b[0]).sum() * 0.0)

def raises():
    raise KeyError("gone")
'''

STRATEGIES = '''
import os
import signal
import torch
from strategies import Strategy

class Killer(Strategy):
    """Kills its worker when it is trained."""
    name = "killer"
    def before_update(self, step):
        os.kill(os.getpid(), signal.SIGKILL)

class Raiser(Strategy):
    """Raises when it is trained."""
    name = "raiser"
    def before_update(self, step):
        raise RuntimeError("on purpose")

class Mine(Strategy):
    """Freezes by clearing gradients."""
    name = "mine"
    def before_update(self, step):
        for tensor in step.partition.frozen_tensors(step.model):
            tensor.grad = None
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a user's own, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(WORKLOADS)
    (tmp_path / "ways.py").write_text(STRATEGIES)
    return tmp_path


def freezebench(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def run(*arguments: str) -> Result:
    return freezebench("run", "-w", "own.py:mlp", "--budget", "1", "--threads", "1", *arguments)


@pytest.fixture(scope="module")
def done_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three cells, for the tests that only read one."""
    folder = tmp_path_factory.mktemp("done")
    (folder / "own.py").write_text(WORKLOADS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run("-s", "requires_grad", "-s", "no_grad+eval")
    return folder / "results"


@pytest.fixture
def finished(mine: Path, done_once: Path) -> Path:
    """The folder of a finished run, to be read or damaged."""
    shutil.copytree(done_once, mine / "results")
    return only_run(mine)


def only_run(folder: Path) -> Path:
    (path,) = folder.glob("results/*/*")
    return path


def test_a_run_ends_with_a_table_and_the_path_of_its_files(mine: Path) -> None:
    result = run("-s", "requires_grad", "-s", "lr_zero")
    assert result.exit_code == 0, result.output
    folder = only_run(mine)
    assert "requires_grad" in result.output
    assert str(folder.relative_to(mine)) in result.output
    names = {path.name for path in folder.iterdir()}
    plots = {f"{plot}.{form}" for plot in ("phases", "ratio", "memory", "verdicts")
             for form in ("png", "svg")}  # fmt: skip
    assert names == {"run.json", "table.md", "table.csv", *plots}


def test_a_run_holds_what_was_measured_under_the_promised_names(finished: Path) -> None:
    record = json.loads((finished / "run.json").read_text())
    assert {"schema", "request", "machine", "cells"} <= record.keys()
    for cell in record["cells"]:
        assert {
            "workload", "strategy", "device", "dtype", "batch", "threads", "optimizer", "verdict",
            "why", "midway", "samples", "summary", "memory", "counters", "drift",
        } <= cell.keys()  # fmt: skip
        assert set(cell["samples"]) == {"forward", "backward", "update", "total"}
        assert cell["memory"]["predicted_peak_bytes"] == cell["memory"]["peak_bytes"]


def test_a_run_names_no_host_user_or_path(mine: Path) -> None:
    freezebench("run", "-w", f"{mine}/own.py:mlp", "-s", f"{mine}/ways.py:Mine", "--budget", "1")
    text = (only_run(mine) / "run.json").read_text()
    assert str(mine) not in text
    assert str(Path.home()) + "/" not in text
    assert f'"{os.uname().nodename}"' not in text


def test_the_csv_has_one_row_a_cell(finished: Path) -> None:
    rows = list(csv.DictReader((finished / "table.csv").open()))
    assert [row["strategy"] for row in rows] == ["full", "requires_grad", "no_grad+eval"]


def test_a_strategy_from_a_file_runs_beside_the_others(mine: Path) -> None:
    result = run("-s", "ways.py:Mine")
    assert result.exit_code == 0, result.output
    _, record = store.load(only_run(mine))
    assert {cell.strategy: cell.verdict for cell in record.cells} == {
        "full": "reference",
        "mine": "ok",
    }


@pytest.mark.parametrize(
    ("strategy", "name", "why"),
    [("ways.py:Killer", "killer", "SIGKILL"), ("ways.py:Raiser", "raiser", "on purpose")],
)
def test_a_cell_that_fails_is_told_and_the_others_are_measured(
    mine: Path, strategy: str, name: str, why: str
) -> None:
    result = run("-s", strategy, "-s", "requires_grad")
    assert result.exit_code == 3
    _, record = store.load(only_run(mine))
    cells = {cell.strategy: cell for cell in record.cells}
    assert cells[name].verdict == "failed"
    assert why in cells[name].why
    assert cells["requires_grad"].verdict == "ok"
    assert cells["requires_grad"].summary is not None


def test_a_model_that_never_moves_is_told_in_a_sentence(mine: Path) -> None:
    result = freezebench("run", "-w", "own.py:never_moves", "-s", "requires_grad")
    assert result.exit_code == 3
    why = store.load(only_run(mine))[1].cells[0].why
    assert why.startswith("the reference training failed: in 5 steps of ordinary training")


MISTAKES = {
    "unknown strategy": (["-s", "requires_gard"], "did you mean 'requires_grad'"),
    "unknown modifier": (["-s", "requires_grad+evil"], "evil"),
    "unknown workload": (["-w", "polcy"], "did you mean 'policy'"),
    "unknown torchvision model": (["-w", "torchvision:resnet19"], "resnet18"),
    "unknown dtype": (["--dtype", "float31"], "did you mean 'float32'"),
    "unknown optimizer": (["--optimizer", "adm"], "did you mean 'adam'"),
    "unknown device": (["-d", "cpuu"], "did you mean 'cpu'"),
    "precision of nothing": (["--precision", "0"], "above 0%"),
    "precision that is no number": (["--precision", "tight"], "5%"),
    "negative budget": (["--budget", "-3"], "more than 0"),
    "infinite budget": (["--budget", "inf"], "more than 0"),
    "more threads than processors": (["--threads", "9999"], "processors"),
    "seed that is too large": (["--seed", "99999999999999999999"], "seed"),
    "batch of nothing": (["--batch", "0"], "batch"),
    "pattern that matches nothing": (["--freeze", "00"], "matches no module"),
    "strategy file missing": (["-s", "nowhere.py:Mine"], "nowhere.py"),
    "strategy class missing": (["-s", "ways.py:Mime"], "Mine"),
    "workload file missing": (["-w", "nowhere.py:mlp"], "nowhere.py"),
    "factory missing": (["-w", "own.py:mpl"], "mlp"),
    "factory raises": (["-w", "own.py:raises"], "gone"),
    "factory returns something else": (["-w", "own.py:not_a_workload"], "Workload"),
    "nothing frozen": (["-w", "own.py:nothing_frozen"], "matches no module"),
    "nothing trainable": (["-w", "own.py:nothing_trainable"], "leave something to train"),
    "loss that is no scalar": (["-w", "own.py:vector_loss"], "scalar"),
    "loss that is NaN": (["-w", "own.py:nan_loss"], "nan"),
    "batch that does not fit the model": (["-w", "own.py:wrong_batch"], "first batch"),
    "two cells of one name": (["-s", "ways.py:Mine", "-s", "./ways.py:Mine"], "another name"),
    "a run that is not there": (["--resume", "nowhere"], "nowhere"),
}


@pytest.mark.parametrize(("arguments", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_a_sentence_and_leaves_nothing_behind(
    mine: Path, arguments: list[str], says: str
) -> None:
    result = freezebench("run", *arguments) if "-w" in arguments else run(*arguments)
    if "--resume" in arguments:
        result = freezebench("run", *arguments)
    assert result.exit_code == 2, result.output
    assert says in result.output
    assert "Traceback" not in result.output
    assert not (mine / "results").exists()


@pytest.mark.skipif("__import__('torch').cuda.is_available()", reason="there is a CUDA device")
def test_cuda_without_cuda_says_what_torch_was_built_for_and_what_to_do(mine: Path) -> None:
    result = run("-d", "cuda")
    assert result.exit_code == 2
    assert "was built for" in result.output
    assert "driver" in result.output


def test_a_batch_that_cannot_fit_is_refused_with_the_largest_that_does(mine: Path) -> None:
    result = freezebench("run", "-w", "own.py:huge", "--batch", str(10**11))
    assert result.exit_code == 2
    assert "the largest that fits is" in result.output


def test_results_where_nothing_can_be_written_are_refused(mine: Path) -> None:
    (mine / "taken").write_text("a file")
    result = run("-s", "requires_grad", "--results", "taken")
    assert result.exit_code == 2
    assert "taken" in result.output
    assert "Traceback" not in result.output


def test_options_that_change_a_run_are_refused_on_resuming(finished: Path) -> None:
    result = freezebench("run", "--resume", str(finished), "--batch", "4")
    assert result.exit_code == 2
    assert "--batch" in result.output


def test_a_finished_run_can_be_given_more_time(mine: Path) -> None:
    run("-s", "requires_grad", "--precision", "0.01%")
    before = store.load(only_run(mine))[1]
    result = freezebench("run", "--resume", str(only_run(mine)), "--budget", "2")
    assert result.exit_code == 0, result.output
    after = store.load(only_run(mine))[1]
    assert after.timed_seconds > before.timed_seconds
    assert after.cells[0].samples.total[: len(before.cells[0].samples.total)] == (
        before.cells[0].samples.total
    )


def test_a_report_is_made_again_to_the_byte(finished: Path) -> None:
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    for path in finished.iterdir():
        if path.name != "run.json":
            path.unlink()
    result = freezebench("report", str(finished))
    assert result.exit_code == 0, result.output
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text[: len(text) // 2], "truncated"),
        (lambda text: text.replace(f'"schema":{SCHEMA}', '"schema":99'), "schema 99"),
        (lambda text: text.replace('"precision":0.05', '"precision":NaN'), "no JSON"),
        (lambda text: text.replace('"precision":0.05', '"precision":"5%"'), "$.request.precision"),
        (lambda text: text.replace('"seed"', '"sede"'), "sede"),
    ],
    ids=["truncated", "newer schema", "NaN", "string for a number", "unknown field"],
)
def test_a_damaged_run_is_refused_with_the_place(
    finished: Path, damage: Callable[[str], str], says: str
) -> None:
    file = finished / "run.json"
    file.write_text(damage(file.read_text()))
    result = freezebench("report", str(file))
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output


def test_list_tells_every_strategy_and_workload() -> None:
    import strategies  # noqa: PLC0415
    from bench import workloads  # noqa: PLC0415

    output = freezebench("list").output
    assert all(name in output for name in strategies.names())
    assert all(name in output for name in workloads.ROSTER)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["report", "nowhere"]])
def test_help_and_report_do_not_import_torch(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom bench.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.split()[-1] == "False"


# Whole processes from here on: what a signal does to a run.


def begin(mine: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "-w", "own.py:mlp", "--threads", "1", *arguments],
        cwd=mine,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        os.sched_yield()


def cells_kept(mine: Path) -> int:
    for file in mine.glob("results/*/*/run.json"):
        return len(store.load(file)[1].cells)
    return -1


def lives_kept(mine: Path) -> int:
    for file in mine.glob("results/*/*/run.json"):
        cells = store.load(file)[1].cells
        return max((life for cell in cells for life in cell.origin.life), default=0)
    return 0


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    import psutil  # noqa: PLC0415

    return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(mine: Path, sign: signal.Signals) -> None:
    process = begin(mine, "--budget", "60", "--precision", "0.01%")
    wait_until(lambda: cells_kept(mine) >= 2, process)
    workers = workers_of(process)
    os.killpg(process.pid, sign) if sign is signal.SIGINT else process.send_signal(sign)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"--resume {only_run(mine).relative_to(mine)}" in said
    assert "Traceback" not in said
    assert store.load(only_run(mine))[1].state == "interrupted"
    wait_until_gone(workers)


def wait_until_gone(pids: list[int]) -> None:
    import psutil  # noqa: PLC0415

    deadline = time.monotonic() + 30
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline
        os.sched_yield()


@pytest.mark.parametrize(
    "moment",
    [lambda mine: cells_kept(mine) >= 0, lambda mine: cells_kept(mine) >= 3,
     lambda mine: lives_kept(mine) >= 2],
    ids=["at the first cell", "in the survey", "in the third life"],
)  # fmt: skip
def test_a_killed_run_loses_nothing_and_leaves_no_worker(
    mine: Path, moment: Callable[[Path], bool]
) -> None:
    process = begin(mine, "-s", "requires_grad", "-s", "lr_zero", "-s", "no_grad",
                    "--budget", "2", "--precision", "0.01%")  # fmt: skip
    wait_until(lambda: moment(mine), process)
    workers = workers_of(process)
    kept = store.load(only_run(mine))[1]
    process.kill()
    process.communicate(timeout=60)
    wait_until_gone(workers)
    result = freezebench("run", "--resume", str(only_run(mine)))
    assert result.exit_code == 0, result.output
    finished = store.load(only_run(mine))[1]
    assert [cell.strategy for cell in finished.cells] == [
        "full", "requires_grad", "lr_zero", "no_grad",
    ]  # fmt: skip
    for before, after in zip(kept.cells, finished.cells, strict=False):
        assert after.drift == before.drift
        assert after.samples.total[: len(before.samples.total)] == before.samples.total
    assert not [path for path in only_run(mine).iterdir() if path.name.startswith(".")]


def test_two_runs_into_one_folder_do_not_disturb_each_other(mine: Path) -> None:
    both = [begin(mine, "-s", "requires_grad", "--budget", "1") for _ in range(2)]
    for process in both:
        output = process.communicate(timeout=120)
        assert process.returncode == 0, output
    assert len(list(mine.glob("results/*/*/run.json"))) == 2


@pytest.mark.parametrize(
    ("arguments", "budget"),
    [
        ([], 90.0),
        (["-d", "cuda"], 300.0),
        (["-d", "auto"], 300.0),
        (["-d", "mps", "--budget", "7"], 7.0),
    ],
)
def test_an_accelerator_has_more_time_unless_it_is_said(
    arguments: list[str], budget: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def begin(request: Any, *_: object) -> None:
        asked.append(request)
        raise store.StoreError("not today")

    monkeypatch.setattr("bench.run.session.begin", begin)

    assert freezebench("run", *arguments).exit_code == 2
    assert asked[0].budget == budget


def test_an_interruption_while_commands_are_imported_ends_quietly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "bench.cli", Interrupted("bench.cli"))
    with pytest.raises(SystemExit) as ended:
        outermost()
    assert ended.value.code == 130
