"""A user's file with factories of every form, and of every way to be wrong."""

SOURCE = '''
import dataclasses
from collections import namedtuple

import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from bench.workloads import Workload


def net(*, frozen=True, evaluated=True, dropout=0.0):
    model = nn.Sequential()
    model.backbone = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout)
    )
    model.head = nn.Linear(8, 2)
    if frozen:
        model.backbone.requires_grad_(False)
    if evaluated:
        model.backbone.eval()
    return model


def batches():
    return [(torch.randn(6, 4), torch.randint(2, (6,))) for _ in range(3)]


def training(model=None, optimizer=None):
    model = model or net()
    optimizer = optimizer or torch.optim.SGD(model.head.parameters(), lr=0.1)
    data = batches()
    taken = 0

    def step():
        nonlocal taken
        inputs, labels = data[taken % len(data)]
        taken += 1
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return model, optimizer, step


# --- good -----------------------------------------------------------------------------------------


def a_tuple():
    return training()


def in_another_order():
    model, optimizer, step = training()
    return step, model, optimizer


def a_list():
    return list(training())


def a_dict():
    model, optimizer, step = training()
    return {"model": model, "optimizer": optimizer, "step": step, "frozen": "backbone"}


def several_optimizers():
    model, optimizer, step = training()
    return {"model": model, "optimizers": [optimizer], "step": step, "frozen": ["backbone"]}


def a_dataclass():
    @dataclasses.dataclass
    class Training:
        model: nn.Module
        optimizer: torch.optim.Optimizer

        def step(self):
            self.optimizer.zero_grad()
            self.model(torch.ones(6, 4)).square().sum().backward()
            self.optimizer.step()

    model, optimizer, _ = training()
    return Training(model, optimizer)


def a_namedtuple():
    return namedtuple("Training", "model optimizer step")(*training())


def with_a_loader():
    model, optimizer, _ = training()

    def step(batch):
        inputs, labels = batch
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return model, optimizer, step, torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.randn(4, 4), torch.randint(2, (4,))), batch_size=2
    )


def with_extras():
    model, optimizer, step = training()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return AveragedModel(model), scaler, model, optimizer, scheduler, step, batches()


def seeded(seed, device="cpu"):
    torch.manual_seed(seed)
    return training()


def a_module():
    return net()


def a_module_that_is_not_frozen():
    return net(frozen=False)


def a_workload():
    return Workload(net(frozen=False), batches(), ["backbone"])


class Unknown:
    """An optimizer that nobody has seen before."""

    def __init__(self, parameters):
        self.param_groups = [{"params": list(parameters), "lr": 0.1}]

    def zero_grad(self):
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    @torch.no_grad()
    def step(self):
        for parameter in self.param_groups[0]["params"]:
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad


def an_unknown_optimizer():
    model = net()
    return training(model, Unknown(model.head.parameters()))


def shared_with_another_model():
    model, optimizer, step = training()
    other = nn.Sequential(model.backbone, nn.Linear(8, 3))
    return {"model": model, "optimizer": optimizer, "step": step, "other": other}


# --- wrong ----------------------------------------------------------------------------------------


def nothing():
    pass


def too_little():
    return training()[:2]


def only_a_step():
    return {"step": training()[2]}


def two_steps():
    return (*training(), lambda: None)


def unheard_of():
    return (*training(), 3)


def wants_two():
    model, optimizer, _ = training()
    return model, optimizer, lambda inputs, labels: None, batches()


def wants_a_batch():
    model, optimizer, _ = training()
    return model, optimizer, lambda batch: None


def wants_an_argument(width):
    return training()


def raises_at_once():
    raise RuntimeError("no data")


def leaves():
    raise SystemExit("done")


def on_meta():
    with torch.device("meta"):
        model = net()
    return training(model)


def a_meta_module():
    with torch.device("meta"):
        return net()


def no_module():
    return {"model": 3, "optimizer": training()[1], "step": print}


def no_optimizer():
    return {"model": net(), "optimizer": 3, "step": print}


def of_numbers():
    return {**dict(zip(("model", "optimizer", "step"), training())), "frozen": 3}


def raises_at_step_three():
    model, optimizer, inner = training()
    steps = 0

    def step():
        nonlocal steps
        steps += 1
        if steps == 3:
            raise ValueError("the third batch is [red]broken[/red]")
        inner()

    return model, optimizer, step


def replaces_a_parameter():
    model, optimizer, inner = training()

    def step():
        inner()
        weight = model.backbone[0].weight
        model.backbone[0].weight = nn.Parameter(weight.detach() + 1, requires_grad=False)

    return model, optimizer, step


def nan_everywhere():
    model = net()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(float("nan"))
    return training(model)


def no_backward():
    model, optimizer, _ = training()
    return model, optimizer, lambda: model(torch.ones(6, 4))


def interrupted():
    model, optimizer, _ = training()

    def step():
        raise KeyboardInterrupt

    return model, optimizer, step


def moves():
    return training(net(evaluated=False))


def wasteful():
    model = net(frozen=False)
    return {**dict(zip(("model", "optimizer", "step"), training(model))), "frozen": "backbone"}


already_there = net()
kept = training()
number = 5


def the_same_again():
    return kept
'''
