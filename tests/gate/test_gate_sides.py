"""Workers of two checkouts, as real processes: whose code they run, how they end, what is said."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest
from side_folders import MODEL, at_most_two_minutes, checkout, freezebench_of, request, write

from bench.gate.time import sides
from bench.gate.time.gate import introduced, shared_cells
from bench.gate.time.record import Terms
from bench.gate.time.sides import Side, SideError, Stable
from bench.gate.time.trial import SideFailedError, Trial
from bench.gate.time.wire import PROTOCOL
from bench.run.process import CellError, RefusedError, WorkerLostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.gate.time.sides import SideWorker
    from bench.gate.time.wire import SidePlan

__all__ = ["at_most_two_minutes"]
pytestmark = pytest.mark.usefixtures("at_most_two_minutes")

PYTHON = Path(sys.executable)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two checkouts of a user's repository, and what the base would borrow from the head's."""
    made = {}
    for label, batch in (("base", 3), ("head", 5)):
        root = made[label] = tmp_path_factory.mktemp(label).resolve()
        write(
            root,
            model=MODEL.format(batch=batch),
            owned=f"BATCH = {batch}\n",
            below__model=MODEL.format(batch=batch),
            src__package__inner=MODEL.format(batch=batch + 10),
            queue="raise RuntimeError('a stray file was taken for the standard library')\n",
        )
        (root / "src" / "package" / "__init__.py").touch()
        (root / "bench").mkdir()
        (root / "bench" / "__init__.py").write_text("raise RuntimeError('the wrong bench')\n")
    write(made["base"], raises="raise ValueError('not today')\n")
    write(made["head"], only_here=MODEL.format(batch=5), lib__borrowed="")
    return made


@pytest.fixture(scope="module")
def stable(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stable]:
    """One forker for all tests; the head's `lib` is on its path, as by an editable installation."""
    scratch = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(folders["head"] / "lib"))
        with Stable([PYTHON], 1, [], scratch) as made:
            made.renew()
            yield made


@pytest.fixture
def base(folders: dict[str, Path]) -> Side:
    return Side(checkout("base", folders["base"]), PYTHON)


@pytest.fixture
def head(folders: dict[str, Path]) -> Side:
    return Side(checkout("head", folders["head"]), PYTHON)


@pytest.fixture
def worker(stable: Stable, base: Side) -> Iterator[SideWorker]:
    made = stable.fork(base)
    yield made
    made.end()


def planned(stable: Stable, side: Side, workload: str) -> SidePlan:
    made = stable.fork(side)
    try:
        return made.plan(side.checkout, request(workload))
    finally:
        made.end()


def test_each_side_trains_its_own_code(
    stable: Stable, base: Side, head: Side, folders: dict[str, Path]
) -> None:
    for side, batch in ((base, 3), (head, 5)):
        worker = stable.fork(side)
        plan = worker.plan(side.checkout, request("model.py:trains"))
        assert [(cell.name, cell.batch) for cell in plan.cells] == [
            ("model.py:trains × requires_grad", batch)
        ]
        worker.ask("ready", 0, plan.cells[0].plan)
        assert len(worker.ask("warm_up", 0).times.total) >= 6
        turn = worker.ask("turn", 0, 3)
        assert len(turn.times.total) == len(turn.cpu_times.total) == 3
        assert turn.threads == 1
        assert turn.resident_bytes > 2**20
        own, other = folders[side.checkout.label], folders["head" if side is base else "base"]
        assert str(own / "model.py") in worker.ask("modules_below", str(own))
        assert worker.ask("modules_below", str(other)) == []
        worker.end()


def test_introduced_sides_say_who_they_are_and_share_their_cells(
    folders: dict[str, Path], stable: Stable, head: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stable, "renew", lambda: None)  # it is fresh enough
    same = Side(checkout("base", folders["head"]), PYTHON)
    hellos, plans = introduced((same, head), request("model.py:trains"), stable)
    assert [hello.protocol for hello in hellos] == [PROTOCOL] * 2
    assert {Path(hello.harness) for hello in hellos} == {Path(sides.__file__).parents[3]}
    assert [(one.batch, other.batch) for one, other in shared_cells(*plans)] == [(5, 5)]


def test_cells_that_train_something_else_are_not_compared(
    stable: Stable, base: Side, head: Side
) -> None:
    plans = [planned(stable, side, "model.py:trains") for side in (base, head)]
    with pytest.raises(SideError, match="has batch 3 in the base and 5 in the head"):
        shared_cells(*plans)


def test_a_side_works_in_its_folder_below_the_top(stable: Stable, folders: dict[str, Path]) -> None:
    side = Side(checkout("base", folders["base"], "below"), PYTHON)
    assert planned(stable, side, "model.py:trains").cells[0].batch == 3


@pytest.mark.parametrize("label", ["base", "head"])
def test_a_package_below_src_is_each_sides_own(
    stable: Stable, folders: dict[str, Path], label: str
) -> None:
    side = Side(checkout(label, folders[label]), PYTHON)
    found = planned(stable, side, "package.inner:trains").cells[0].batch
    assert found == {"base": 13, "head": 15}[label]


def test_modules_in_the_top_folder_are_a_sides_own_and_no_harness_is_taken_from_there(
    stable: Stable, folders: dict[str, Path]
) -> None:
    side = Side(checkout("base", folders["base"], "below"), PYTHON)
    plan = planned(stable, side, "model.py:has_a_package_called_bench")
    assert plan.cells[0].batch == 3


def test_what_a_workload_prints_does_no_harm(worker: SideWorker, base: Side) -> None:
    plan = worker.plan(base.checkout, request("model.py:chatters"))
    worker.ask("ready", 0, plan.cells[0].plan)
    worker.ask("warm_up", 0)
    assert len(worker.ask("turn", 0, 2).times.total) == 2


def test_a_workload_that_the_base_lacks_is_refused_in_the_bases_name(
    worker: SideWorker, base: Side
) -> None:
    with pytest.raises(SideError) as refused:
        worker.plan(base.checkout, request("only_here.py:trains"))
    assert str(refused.value).startswith("base (BASE): only_here.py:trains: there is no file")


def test_a_base_that_raises_when_it_is_imported_is_told(worker: SideWorker, base: Side) -> None:
    with pytest.raises(SideError) as refused:
        worker.plan(base.checkout, request("raises.py:trains"))
    assert str(refused.value).startswith("base (BASE): raises.py:trains: ")
    assert "ValueError: not today" in str(refused.value)


def test_memory_that_is_not_there_is_told(worker: SideWorker, base: Side) -> None:
    with pytest.raises(SideError, match=r"^base \(BASE\): .*memory"):
        worker.plan(base.checkout, request("model.py:wants_too_much"))


@pytest.mark.parametrize(
    ("misdeed", "cause"),
    [
        ("killed", "the worker was killed by SIGKILL"),
        ("leaves", "the worker ended by itself with exit code 7"),
        ("leaves_like_a_failure", "the worker ended by itself with exit code 1"),
    ],
)
def test_a_worker_that_dies_is_told_with_its_cause(
    worker: SideWorker, base: Side, misdeed: str, cause: str
) -> None:
    with pytest.raises(SideError) as lost:
        worker.plan(base.checkout, request(f"model.py:{misdeed}"))
    assert str(lost.value).startswith(f"base (BASE): {cause}")


def test_a_dead_worker_can_be_asked_and_ended_again(
    worker: SideWorker, stable: Stable, base: Side
) -> None:
    for _ in range(2):
        with pytest.raises(WorkerLostError):
            worker.ask("plan", {"strategies": ["full"]}, timeout=30.0)
    worker.end()
    other = stable.fork(base)
    assert other.hello(base.checkout).protocol == PROTOCOL
    other.end()


def test_a_worker_that_hangs_is_ended_at_the_timeout(worker: SideWorker, base: Side) -> None:
    process = psutil.Process(worker._worker)
    with pytest.raises(SideError, match=r"base \(BASE\): no answer within 1 s"):
        worker.plan(base.checkout, request("model.py:hangs", cell_timeout=1.0))
    assert not process.is_running()


def test_a_workload_that_exits_is_refused_and_the_worker_lives_on(
    worker: SideWorker, base: Side
) -> None:
    with pytest.raises(SideError, match=r"exits\(\) raised SystemExit"):
        worker.plan(base.checkout, request("model.py:exits"))
    with pytest.raises(CellError, match="AttributeError") as failed:
        worker.ask("no_such_request")
    assert not failed.value.worker_lost
    with pytest.raises(RefusedError):
        worker.ask("plan", msgspec.to_builtins(request("no.py:thing")), timeout=60.0)


def test_ctrl_c_does_not_reach_workers(worker: SideWorker, base: Side) -> None:
    assert worker.hello(base.checkout).protocol == PROTOCOL
    process = psutil.Process(worker._worker)
    for pid in (process.pid, process.ppid()):
        assert os.getsid(pid) != os.getsid(0)  # the terminal sends it to its own session alone
        os.kill(pid, signal.SIGINT)
    assert worker.hello(base.checkout).protocol == PROTOCOL


def life_of(stable: Stable, base: Side, head: Side, workload: str) -> Any:
    """One life with a block, of two sides that plan the same."""
    plan = planned(stable, head, workload)
    trial = Trial(
        base=base,
        head=head,
        cells=[(cell, cell) for cell in plan.cells],
        harnesses=dict.fromkeys(("base", "head"), str(Path(sides.__file__).parents[3])),
        stable=stable,
        terms=Terms(),
        timeout=60.0,
        shuffler=random.Random(0),
    )
    return trial.life(1, "trial", 0.0)


def test_a_life_of_real_workers_has_all_arms_and_leaves_none_of_them(
    stable: Stable, base: Side, head: Side
) -> None:
    life = life_of(stable, base, head, "model.py:trains")
    assert {len(arm.wall) for arm in life.cells[0].arms.values()} == {2}
    assert all(arm.cpu is not None for arm in life.cells[0].arms.values())
    assert set(life.grown_bytes) == set(life.cells[0].arms)
    forker = stable._forkers[PYTHON]._process.pid
    assert psutil.Process(forker).children() == []


def test_a_base_that_imports_the_heads_files_is_refused(
    stable: Stable, base: Side, head: Side
) -> None:
    with pytest.raises(SideFailedError) as failed:
        life_of(stable, base, head, "model.py:borrows")
    assert failed.value.label == "base"
    assert "imported lib/borrowed.py from the head's folder" in str(failed.value)
    assert "--base-python" in str(failed.value)


def test_a_side_that_sets_its_threads_is_told(stable: Stable, base: Side, head: Side) -> None:
    with pytest.raises(SideFailedError, match=r"take torch\.set_num_threads out of it") as failed:
        life_of(stable, base, head, "model.py:sets_threads")
    assert failed.value.label == "base"


def test_a_freezebench_from_before_the_gate_is_told(stable: Stable, tmp_path: Path) -> None:
    """The interpreter has a freezebench too, and that must not step in."""
    old = freezebench_of(tmp_path, hello=None)
    worker = stable.fork(Side(old, PYTHON))
    with pytest.raises(SideError) as refused:
        worker.hello(old)
    worker.end()
    assert str(refused.value) == (
        "base (BASE) cannot take part: its freezebench is from before the gate; choose a later "
        "commit"
    )


def test_the_script_that_forks_workers_is_no_code_of_a_side(worker: SideWorker) -> None:
    """Or this project's own base would be said to have imported it from the head."""
    folder = Path(sides.__file__).resolve().parent
    files = {Path(file).name for file in worker.ask("modules_below", str(folder), timeout=60)}
    assert "side.py" in files
    assert "forker.py" not in files
