"""Ways of training in which a watch has to see what is there, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from watched import Net, adam, frozen_net, hooks_left, sgd, train

from bench.watch import FrozenMoved, Severed, watch


def test_mixed_precision_with_a_loss_scale() -> None:
    net = frozen_net(norm=True)
    net.backbone.eval()
    optimizer, scaler = sgd(net), torch.amp.GradScaler("cpu")

    with watch(net) as report:
        for _ in range(3):
            with torch.autocast("cpu", torch.bfloat16):
                loss = net(torch.randn(8, 4)).square().mean()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()

    assert report.steps == 3


def test_a_step_that_the_loss_scaler_skips_is_no_alarm() -> None:
    net = frozen_net()
    optimizer, scaler = adam(net), torch.amp.GradScaler("cpu")

    with watch(net) as report:
        for step in range(4):
            factor = float("inf") if step == 0 else 1.0
            scaler.scale(factor * net(torch.randn(8, 4)).square().mean()).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()

    assert report.steps == 3


class Checkpointed(Net):
    def __init__(self, *, reentrant: bool) -> None:
        super().__init__()
        self.reentrant = reentrant
        self.adapter = nn.Linear(4, 4)
        self.backbone.requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        features = checkpoint(self.inside, inputs, use_reentrant=self.reentrant)
        return self.head(features)

    def inside(self, inputs: Tensor) -> Tensor:
        return self.backbone(self.adapter(inputs))


def test_checkpointing_without_reentrance() -> None:
    net = Checkpointed(reentrant=False)

    with watch(net) as report:
        train(net)

    assert report.steps == 3


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_reentrant_checkpointing_cuts_off_what_is_inside() -> None:
    net = Checkpointed(reentrant=True)

    with pytest.raises(Severed) as caught, watch(net):
        train(net)

    assert caught.value.findings[0].where == ["adapter.weight", "adapter.bias"]


def test_reentrant_checkpointing_of_inputs_with_a_gradient() -> None:
    net = Checkpointed(reentrant=True)
    net.register_forward_pre_hook(lambda module, inputs: inputs[0].requires_grad_())

    with watch(net) as report:
        train(net)

    assert report.steps == 3


BACKENDS = ["eager", "aot_eager"] + ["inductor"] * bool(shutil.which("g++"))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("norm", [False, True])
def test_a_compiled_model(backend: str, norm: bool) -> None:
    torch._dynamo.reset()
    net = frozen_net(norm=norm)
    optimizer = sgd(net)
    compiled = torch.compile(net, backend=backend)

    if norm:
        with pytest.raises(FrozenMoved) as caught, watch(compiled, "backbone.*"):
            train(compiled, optimizer)
        (finding,) = caught.value.findings
        assert (finding.rule, finding.since_step) == ("bn-statistics", 1)
        assert finding.where[0] == "backbone.1.running_mean"
    else:
        with watch(compiled, "backbone.*") as report:
            train(compiled, optimizer)
        assert report.steps == 3
    assert hooks_left(net) == []


def test_a_compiled_model_that_is_cut_off() -> None:
    torch._dynamo.reset()
    net = frozen_net()
    net.insert_ = nn.Linear(4, 4)
    net.forward = lambda inputs: net.head(net.backbone(net.insert_(inputs)).detach())

    with pytest.raises(Severed) as caught, watch(torch.compile(net, backend="eager")):
        train(torch.compile(net, backend="eager"), sgd(net))

    assert caught.value.findings[0].where == ["insert_.weight", "insert_.bias"]


def test_a_model_that_is_compiled_in_place_inside_the_block() -> None:
    torch._dynamo.reset()
    net = frozen_net()

    with watch(net) as report:
        net.compile(backend="aot_eager")
        train(net)

    assert report.steps == 3


def test_a_compiled_step_function() -> None:
    torch._dynamo.reset()
    net = frozen_net(norm=True)
    optimizer = sgd(net)

    @torch.compile(backend="eager")
    def step(inputs: Tensor) -> None:
        net(inputs).square().mean().backward()

    with pytest.raises(FrozenMoved), watch(net) as report:  # noqa: PT012
        for _ in range(3):
            step(torch.randn(8, 4))
            optimizer.step()
            optimizer.zero_grad()

    assert report.steps == 1


def test_a_compiled_optimizer_is_looked_at_when_the_block_ends() -> None:
    torch._dynamo.reset()
    net = frozen_net(norm=True)
    optimizer = sgd(net)
    update = torch.compile(optimizer.step, backend="eager")

    with pytest.raises(FrozenMoved), watch(net):  # noqa: PT012
        for _ in range(3):
            net(torch.randn(8, 4)).square().mean().backward()
            update()
            optimizer.zero_grad()


def test_gradients_that_are_accumulated() -> None:
    net = frozen_net()
    optimizer = sgd(net)

    with watch(net) as report:
        for batch in range(6):
            net(torch.randn(8, 4)).square().mean().backward()
            if batch % 3 == 2:
                optimizer.step()
                optimizer.zero_grad()

    assert report.steps == 2


def test_optimizers_that_step_one_after_the_other_make_one_step() -> None:
    net = frozen_net()
    net.side = nn.Linear(6, 2)
    first, second = sgd(net.head), adam(net.side)

    with watch(net) as report:
        for _ in range(3):
            for optimizer, head in ((first, net.head), (second, net.side)):
                head(net.backbone(torch.randn(8, 4))).square().mean().backward()
                optimizer.step()
                optimizer.zero_grad()

    assert (report.steps, report.checks) == (3, 4)


def test_an_optimizer_that_steps_more_often_sets_the_pace() -> None:
    net = frozen_net()
    net.side = nn.Linear(6, 2)
    often, seldom = sgd(net.head), adam(net.side)

    with watch(net) as report:
        for step in range(6):
            (net(torch.randn(8, 4)) + net.side(torch.randn(8, 6))).square().mean().backward()
            often.step()
            if step % 3 == 0:
                seldom.step()

    assert report.steps == 6


def test_a_closure_that_is_run_again() -> None:
    net = frozen_net()
    optimizer = torch.optim.LBFGS(net.head.parameters(), max_iter=3)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = net(torch.randn(8, 4)).square().mean()
        loss.backward()
        return loss

    with watch(net) as report:
        optimizer.step(closure)

    assert report.steps == 1


def test_an_update_inside_of_backward() -> None:
    net = frozen_net()
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in net.head.parameters()}

    def update(parameter: Tensor) -> None:
        optimizers[parameter].step()
        optimizers[parameter].zero_grad()

    for parameter in optimizers:
        parameter.register_post_accumulate_grad_hook(update)

    with watch(net) as report:
        for _ in range(3):
            net(torch.randn(8, 4)).square().mean().backward()

    assert report.steps == 3


def test_parameters_that_share_a_backbone_with_an_average() -> None:
    net = frozen_net()
    average = torch.optim.swa_utils.AveragedModel(net)

    with watch(net):
        train(net, after_update=lambda _: average.update_parameters(net))


DISTRIBUTED = """
import sys
import torch
from torch import nn
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from watched import frozen_net, hooks_left, sgd, train
from bench.watch import FrozenMoved, Severed, watch

dist.init_process_group("gloo")
torch.manual_seed(dist.get_rank())
still = DistributedDataParallel(frozen_net())
with watch(still, "backbone.*") as report:
    train(still)
assert report.steps == 3
assert report.frozen_names[0] == "backbone.0.weight", report.frozen_names
moving = DistributedDataParallel(frozen_net(norm=True))
try:
    with watch(moving):
        train(moving)
except FrozenMoved as error:
    assert error.findings[0].where[0] == "backbone.1.running_mean"
else:
    raise SystemExit("nothing was raised")
unused = frozen_net()
unused.pooler = nn.Linear(2, 2)
wrapped = DistributedDataParallel(unused, find_unused_parameters=True)
with watch(wrapped, severed=False):
    train(wrapped)
assert hooks_left(still) == hooks_left(moving) == []
dist.destroy_process_group()
print("done", flush=True)
"""


def test_data_parallel_processes(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(DISTRIBUTED)
    here = Path(__file__).parent
    paths = [str(here.parent.parent), str(here)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]

    done = subprocess.run(
        [sys.executable, *launch],
        capture_output=True,
        text=True,
        env=environment,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done") == 2
