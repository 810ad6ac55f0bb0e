"""`freezebench gate counters`, from end to end on a small model of a user's own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from click.testing import CliRunner, Result
from torch.utils import flop_counter

from bench.cli import main
from bench.gate.counters.golden import minor
from bench.run.counting import check_counting

ROOT = Path(__file__).resolve().parents[2]
OWN = minor(torch.__version__)

MODEL = """
import torch
from torch import nn
from bench.workloads import Workload

def mlp(batch=8, seed=0):
    first, second = nn.Linear(6, 16), nn.Linear(16, 16)
    model = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(16, 3))
    batches = [(torch.randn(batch, 6), torch.randint(3, (batch,))) for _ in range(2)]
    return Workload(model, batches, frozen=["0", "2"])

def asks_for_a_value():
    def loss(model, batch):
        scores = model(batch[0])
        return scores.square().mean() if scores.sum().item() < 1e9 else scores.sum()
    return Workload(mlp().model, mlp().batches, ["0", "2"], loss)

def never_moves():
    return Workload(mlp().model, mlp().batches, ["0"], lambda m, b: m(b[0]).sum() * 0.0)
"""

STRATEGY = '''
import os, signal, time
from strategies import Strategy

class Mine(Strategy):
    """Freezes by the flags of each frozen tensor."""
    name = "mine"
    def prepare(self, model, partition):
        for parameter in partition.frozen_tensors(model):
            parameter.requires_grad_(False)
    def param_groups(self, model, partition, lr):
        return [{"params": partition.trainable_tensors(model), "lr": lr}]
    def before_update(self, step):
        pass
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a user's own, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(MODEL)
    (tmp_path / "ways.py").write_text(STRATEGY)
    return tmp_path


@pytest.fixture
def agreed(mine: Path) -> Path:
    """The same folder, with a golden file."""
    done = gate("-w", "own.py:mlp", "-s", "ways.py:Mine", "-s", "no_grad+eval", "--update")
    assert done.exit_code == 0, done.output
    return mine


def gate(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["gate", "counters", *arguments])


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def golden(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results" / "counters.json").read_text())
    return found


def test_update_then_equal(agreed: Path) -> None:
    done = gate()
    assert done.exit_code == 0, done.output
    assert "3 cells compared with results/counters.json" in done.output
    counted = golden(agreed)["torch"][OWN]["workloads"]["own.py:mlp"]
    assert list(counted["cells"]) == ["full", "mine", "no_grad+eval"]
    assert counted["strategies"] == ["ways.py:Mine", "no_grad+eval"]


def test_a_frozen_layer_left_in_the_graph_is_found_and_led_to(agreed: Path) -> None:
    edit(agreed / "ways.py", "in partition.frozen_tensors(model)",
         "in partition.frozen_tensors(model)[2:]")  # fmt: skip
    done = gate("--annotate", "--junit", "junit.xml")
    assert done.exit_code == 1, done.output
    assert "own.py:mlp × mine: changed" in done.stdout
    assert "a gradient is stored for the frozen part again" in done.stdout
    assert "a frozen layer is back in the graph" in done.stdout
    assert re.search(r"backward_flops +768 → 7,168 \(\+6,400, \+833%\)", done.stdout)
    assert done.stderr.startswith("::error title=own.py%3Amlp × mine%3A changed::a gradient")
    cases = ElementTree.parse(agreed / "junit.xml").getroot().iter("testcase")
    assert [(case.get("name"), len(case)) for case in cases] == [
        ("full", 0), ("mine", 1), ("no_grad+eval", 0),
    ]  # fmt: skip


def test_a_grown_model_is_said_to_have_changed_and_kept_by_update(agreed: Path) -> None:
    edit(agreed / "own.py", "nn.Linear(16, 3)", "nn.Linear(16, 4)")
    done = gate("--format", "json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["changed_files"] == ["own.py:mlp"]
    for cell in found["cells"]:
        assert cell["meaning"][0].startswith("the model itself has changed: it has other param")
    assert gate("--update").exit_code == 0
    assert gate().exit_code == 0


def test_a_comment_in_the_models_file_is_no_difference(agreed: Path) -> None:
    edit(agreed / "own.py", "def mlp", "# the network\ndef mlp")
    assert gate().exit_code == 0


def test_a_leak_is_told_with_its_verdict_and_the_tensor(agreed: Path) -> None:
    edit(agreed / "ways.py", "        pass",
         "        step.model[0].bias.data.add_(1.0)")  # fmt: skip
    done = gate("-s", "ways.py:Mine")
    assert done.exit_code == 1
    assert "the verdict became leaks, and was ok: frozen, but moved" in done.output
    assert "+0.bias (parameter)" in done.output


@pytest.mark.parametrize(
    ("deed", "reason", "options"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL", []),
        ("raise RuntimeError('on purpose')", "RuntimeError: on purpose", []),
        ("time.sleep(600)", "no answer within 4 s", ["--cell-timeout", "4"]),
    ],
)
def test_a_measured_cell_that_fails_exits_3_and_leaves_the_others_and_the_file(
    agreed: Path, deed: str, reason: str, options: list[str]
) -> None:
    before = golden(agreed)
    edit(agreed / "ways.py", "        pass", f"        {deed}")
    done = gate("--update", *options)
    assert done.exit_code == 3, done.output
    assert (
        f"own.py:mlp × mine: failed\n  {'the worker was ' if 'kill' in reason else ''}{reason}"
        in done.output
    )
    assert "Traceback" not in done.output
    assert "1 failed" in done.output
    assert golden(agreed) == before


def test_what_never_could_be_counted_is_told_and_stops_nothing(mine: Path) -> None:
    edit(mine / "ways.py", "        pass", "        raise RuntimeError('on purpose')")
    asked = ("-w", "own.py:mlp", "-s", "ways.py:Mine")
    assert gate(*asked, "--update").exit_code == 0
    done = gate()
    assert done.exit_code == 0
    assert "failed, and never was in the golden file\n  RuntimeError: on purpose" in done.output


def test_a_workload_that_nothing_can_be_counted_of_is_not_kept(mine: Path) -> None:
    done = gate("-w", "own.py:never_moves", "-s", "requires_grad", "--update")
    assert done.exit_code == 3
    assert "the reference training failed" in done.output
    assert not (mine / "results" / "counters.json").exists()


def test_a_model_that_asks_for_values_is_counted_on_the_cpu(mine: Path) -> None:
    asked = ("-w", "own.py:asks_for_a_value", "-s", "requires_grad")
    assert gate(*asked, "--update").exit_code == 0
    (counted,) = golden(mine)["torch"][OWN]["workloads"].values()
    assert counted["cells"]["requires_grad"]["counted_on"] == "cpu"
    assert counted["cells"]["requires_grad"]["peak_bytes"] > 0
    assert gate().exit_code == 0


def test_chosen_cells_alone_are_compared_and_updated(agreed: Path) -> None:
    assert gate("-w", "own.py:mlp", "-s", "no_grad+eval").exit_code == 0
    added = gate("-w", "own.py:mlp", "-s", "buffers", "--update")
    assert added.exit_code == 0, added.output
    counted = golden(agreed)["torch"][OWN]["workloads"]["own.py:mlp"]
    assert sorted(counted["cells"]) == ["buffers", "full", "mine", "no_grad+eval"]
    done = gate()
    assert done.exit_code == 0
    assert "4 cells compared" in done.output


def other_torch(folder: Path, version: str = "2.1") -> None:
    stored = golden(folder)
    stored["torch"] = {version: stored["torch"][OWN]}
    (folder / "results" / "counters.json").write_text(json.dumps(stored))


def test_on_another_torch_what_must_hold_is_compared_and_update_adds_an_entry(
    agreed: Path,
) -> None:
    other_torch(agreed)
    file = agreed / "results" / "counters.json"
    file.write_text(file.read_text().replace('"autograd_nodes": ', '"autograd_nodes": 1'))
    done = gate()
    assert done.exit_code == 0, done.output
    assert f"no entry of torch {torch.__version__}" in done.output
    assert "(torch 2.1): all that must hold does" in done.output
    before = golden(agreed)["torch"]["2.1"]
    assert gate("--update").exit_code == 0
    assert sorted(golden(agreed)["torch"]) == sorted(["2.1", OWN])
    assert golden(agreed)["torch"]["2.1"] == before
    assert gate().exit_code == 0


def test_on_another_torch_a_gradient_for_the_frozen_part_is_still_found(agreed: Path) -> None:
    other_torch(agreed)
    edit(agreed / "ways.py", "in partition.frozen_tensors(model)",
         "in partition.frozen_tensors(model)[2:]")  # fmt: skip
    done = gate()
    assert done.exit_code == 1
    assert "a gradient is stored for the frozen part again" in done.output
    assert "autograd_nodes " not in done.output


def test_no_golden_file_is_told_with_the_command_that_makes_one(mine: Path) -> None:
    done = gate()
    assert done.exit_code == 2
    assert done.stderr == (
        "freezebench: there is no golden file results/counters.json; write one with: "
        "freezebench gate counters --update\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-w", "own.py:other"], "has no workload own.py:other (it has own.py:mlp)"),
        (["-s", "buffers"], "has no cell own.py:mlp × buffers"),
        (["-s", "bufers"], "did you mean"),
        (["--batch", "4"], "with batch of its own (asked for: 4)"),
        (["--optimizer", "sgd", "--seed", "3"], "optimizer adam (asked for: sgd), seed 0"),
        (["--junit", "own.py/junit.xml"], "there is no folder own.py"),
    ],
)
def test_a_wrong_request_is_told_in_a_sentence(
    agreed: Path, arguments: list[str], said: str
) -> None:
    done = gate(*arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("freezebench: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_damaged_golden_file_is_told_before_anything_is_counted(agreed: Path) -> None:
    file = agreed / "results" / "counters.json"
    file.write_bytes(file.read_bytes()[:-20])
    done = gate()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "truncated" in done.stderr


def test_the_command_does_not_import_torch() -> None:
    program = (
        "import sys\nfrom bench.cli import main\nimport bench.gate.counters.gate\n"
        "try: main(['gate', 'counters', '--golden', 'nowhere.json'])\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.split()[-1] == "False"


# --- the counting itself --------------------------------------------------------------------------


def test_a_chain_of_equal_layers_has_the_flops_of_its_closed_form() -> None:
    assert check_counting() == []


def test_a_wrong_formula_is_found_by_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    product = torch.ops.aten.mm
    right = flop_counter.flop_registry[product]
    monkeypatch.setitem(flop_counter.flop_registry, product, lambda *a, **k: right(*a, **k) + 1)
    assert any("with nothing frozen has" in sentence for sentence in check_counting())
