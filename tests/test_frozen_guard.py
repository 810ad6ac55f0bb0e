"""Sessions within this one: each test writes a test file of a user's and runs pytest on it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch._dynamo

import bench.watch

# Kept from session to session: each would import them anew, and torch can't be imported twice.
KEPT = bench.watch, torch._dynamo

if TYPE_CHECKING:
    from _pytest.pytester import Pytester, RunResult

pytest_plugins = ["pytester"]

NET = """
import pytest, torch
from torch import nn

def net(norm=False):
    layers = nn.Linear(3, 4), nn.BatchNorm1d(4) if norm else nn.Tanh()
    model = nn.Sequential()
    model.backbone = nn.Sequential(*layers).requires_grad_(False)
    model.head = nn.Linear(4, 2)
    return model

def train(model, steps=3):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        model(torch.randn(5, 3)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
"""


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options, and what pytest takes for a CI, where its summary repeats every message in full."""
    for name in ("PYTEST_ADDOPTS", "CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


def run(pytester: Pytester, body: str, *options: str) -> RunResult:
    pytester.makepyfile(NET + body)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)


def test_a_training_that_moves_nothing_frozen_passes(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
def test_fine_tuning(frozen_guard):
    model = net()
    report = frozen_guard(model, "backbone.*")
    train(model)
    assert report.steps == 3
""",
    )

    result.assert_outcomes(passed=1)


MOVED = """
@pytest.mark.parametrize("every", [1, 2, 100])
def test_fine_tuning(frozen_guard, every):
    model = net(norm=True)
    frozen_guard(model, "backbone.*", every=every)
    train(model)
"""


def test_what_moved_fails_the_test_with_the_findings_and_no_traceback(pytester: Pytester) -> None:
    result = run(pytester, MOVED)

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*_ test_fine_tuning?1? _*",
            "The frozen buffer backbone.1.running_mean and 2 more moved in step 1*bn-statistics?",
            "  mend:  model.backbone.eval()*",
            "*_ test_fine_tuning?2? _*",
            "The frozen buffer * moved between steps 1 and 2*",
            "*_ test_fine_tuning?100? _*",
            "The frozen buffer * moved between steps 1 and 3*",
        ]
    )
    for never in ("Traceback", "During handling", "site-packages", "def test_"):
        assert never not in result.stdout.str()


def test_what_was_cut_off_fails_the_test(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
def cut():
    model = nn.Sequential()
    model.adapter = nn.Linear(3, 3)
    model.backbone = nn.Linear(3, 4).requires_grad_(False)
    model.head = nn.Linear(4, 2)
    model.head.register_forward_pre_hook(lambda module, inputs: inputs[0].detach())
    return model

def test_cut(frozen_guard):
    model = cut()
    frozen_guard(model)
    train(model)

def test_allowed(frozen_guard):
    model = cut()
    frozen_guard(model, severed=False)
    train(model)
""",
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["No gradient in 3 steps for 2 trainable parameters*severed?"])


def test_several_models_are_guarded_at_once(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
def test_both(frozen_guard):
    one, other, third = net(norm=True), net(), net(norm=True)
    for model in (one, other, third):
        frozen_guard(model, every=100)
    train(one), train(other), train(third)

def test_one_while_training(frozen_guard):
    one, other = net(norm=True), net(norm=True)
    frozen_guard(one, every=100)
    frozen_guard(other, every=2)
    train(one), train(other)
""",
    )

    result.assert_outcomes(failed=2)
    assert result.stdout.str().count("why:   The module runs in training mode") == 4


@pytest.mark.parametrize("every", [1, 100])
def test_a_body_that_fails_by_itself_says_so_first(pytester: Pytester, every: int) -> None:
    result = run(
        pytester,
        f"""
def test_own(frozen_guard):
    model = net(norm=True)
    frozen_guard(model, every={every})
    train(model)
    assert model.head.bias.sum() == 17, "my own"

def test_skipped(frozen_guard):
    model = net(norm=True)
    frozen_guard(model, every={every})
    train(model)
    pytest.skip("not today")
""",
    )

    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["E*AssertionError: my own", "E*While this was watched, too:", "*bn-stat*"]
    )


def test_a_guard_that_is_never_called_warns_that_it_guards_nothing(pytester: Pytester) -> None:
    result = run(pytester, "def test_forgotten(frozen_guard):\n    train(net(norm=True))\n")

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*frozen_guard was never called: nothing is guarded"])


def test_a_mistake_in_the_patterns_is_a_sentence(pytester: Pytester) -> None:
    result = run(
        pytester,
        "def test_typo(frozen_guard):\n    frozen_guard(net(), 'bakbone')\n",
        "-W",
        "error",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["frozen_guard: the pattern 'bakbone' matches no*'backbone'*"])
    assert "Traceback" not in result.stdout.str()


def test_methods_of_classes_and_of_test_cases_are_guarded(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
import unittest

class TestPlain:
    def test_it(self, frozen_guard):
        model = net(norm=True)
        frozen_guard(model)
        train(model)

class OfUnittest(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _guarded(self, frozen_guard):
        self.guard = frozen_guard

    def test_it(self):
        model = net(norm=True)
        self.guard(model, every=100)
        train(model)
""",
    )

    result.assert_outcomes(failed=1, passed=1, errors=1)  # a TestCase's at its end
    assert result.stdout.str().count("why:   The module runs in training mode") == 2


def test_a_fixture_may_guard_the_model_that_it_makes(pytester: Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture
def model(frozen_guard):
    made = net(norm=True)
    frozen_guard(made)
    return made

def test_it(model):
    train(model)

def test_without_training(model):
    pass
""",
    )

    result.assert_outcomes(failed=1, passed=1)


def test_no_hook_outlives_its_test(pytester: Pytester) -> None:
    result = run(
        pytester,
        MOVED
        + """
def test_hooks():
    from torch.optim import optimizer
    assert not optimizer._global_optimizer_post_hooks
""",
    )

    result.assert_outcomes(failed=3, passed=1)


def test_it_needs_no_pytest_benchmark(pytester: Pytester) -> None:
    result = run(pytester, MOVED, "-p", "no:benchmark")

    result.assert_outcomes(failed=3)


def test_torch_is_imported_when_it_is_called_and_not_before() -> None:
    code = (
        "import sys, pytest; import bench.pytest_plugin.frozen_guard as guard; "
        "guard.FrozenGuard(); heavy = {'torch', 'numpy', 'msgspec'} & set(sys.modules); "
        "assert not heavy, heavy"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
