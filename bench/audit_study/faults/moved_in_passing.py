"""What moves a frozen part besides its optimizer: merges, searches, averages, swaps."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    T5,
    Conformer,
    ConvMixer,
    Detr,
    GraphNet,
    Perceiver,
    PointNet,
    RegisterVit,
    WaveNet,
    regnet,
    swin_v2,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    descending,
    images,
    labelled_sentences,
)
from bench.audit_study.faults.normalisation import TRAINING_BN
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained


@fault("t5", "inplace-data", where=("block.0.q.base.weight", "block.1.v.base.weight"))
def merged_and_not_taken_apart() -> Subject:
    """LoRA is merged into its base for each validation, and never taken out again."""
    model = T5(lora=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora" in name or name.startswith("classifier")
    tokens, labels = labelled_sentences()
    optimizer = torch.optim.AdamW(trained(model), lr=1e-2)
    train_step = classification(model, optimizer, (tokens, labels))

    def step() -> None:
        train_step()
        with torch.no_grad():
            for block in model.modules():
                if hasattr(block, "lora_a"):
                    layer: Any = block
                    layer.base.weight += layer.lora_b @ layer.lora_a
            model(tokens)

    return Subject(model, [optimizer], step)


@fault("graph_net", "inplace-data", where=("conv1.weight", "conv2.bias"))
def ascent_without_return() -> Subject:
    """Sharpness-aware: every weight climbs, and only those of the optimizer come back."""
    model = GraphNet()
    optimizer = torch.optim.SGD(model.out.parameters(), lr=0.1)
    nodes, labels = torch.randn(12, 8), torch.randint(CLASSES, (12,))

    def step() -> None:
        model.zero_grad()
        functional.cross_entropy(model(nodes), labels).backward()
        kept = [p.detach().clone() for p in model.out.parameters()]
        with torch.no_grad():
            for p in model.parameters():
                if p.grad is not None:
                    p.add_(p.grad, alpha=0.05)
        model.zero_grad()
        functional.cross_entropy(model(nodes), labels).backward()
        with torch.no_grad():
            for p, before in zip(model.out.parameters(), kept, strict=True):
                p.copy_(before)
        optimizer.step()

    return Subject(model, [optimizer], step, ("conv1", "conv2"))


@fault("perceiver", "inplace-data", where=("project.weight", "cross.0.in_proj_weight"))
def slow_weights_from_before_loading() -> Subject:
    """Lookahead's slow weights were taken before the pretrained ones were loaded."""
    model = Perceiver()
    slow = [p.detach().clone() for p in model.parameters()]
    model.load_state_dict(Perceiver().state_dict())
    model.project.requires_grad_(False)
    model.cross.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    train_step = classification(
        model, optimizer, (torch.randn(4, 12, 8), torch.randint(CLASSES, (4,)))
    )
    done = 0

    def step() -> None:
        nonlocal done
        train_step()
        done += 1
        if done % 2 == 0:
            with torch.no_grad():
                for p, kept in zip(model.parameters(), slow, strict=True):
                    kept.lerp_(p, 0.5)
                    p.copy_(kept)

    return Subject(model, [optimizer], step, ("project", "cross"))


@fault("wavenet", "inplace-data", where=("start.weight",))
def norm_limited_in_the_forward() -> Subject:
    """A forward hook limits the norm of a frozen filter by assigning to its `.data`."""
    model = WaveNet()
    model.start.requires_grad_(False)
    model.dilated[0].requires_grad_(False)

    def limit(module: nn.Module, inputs: Any) -> None:
        weight: Any = module.weight
        weight.data = torch.renorm(weight.data, 2, 0, 0.05)

    model.start.register_forward_pre_hook(limit)
    optimizer = torch.optim.RMSprop(trained(model), lr=1e-3)
    waves, labels = torch.randn(3, 1, 24), torch.randint(CLASSES, (3, 24))
    step = classification(model, optimizer, (waves, labels))
    return Subject(model, [optimizer], step)


@fault("conv_mixer", "inplace-data", where=("teacher.stem.2.running_mean",))
def buffers_sent_to_the_teacher() -> Subject:
    """A frozen teacher in eval mode: the running statistics of the student are copied to it."""
    model: Any = nn.Module()
    model.student, model.teacher = ConvMixer(), ConvMixer()
    model.teacher.requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(model.student.parameters(), lr=1e-3)
    inputs, labels = images()

    def step() -> None:
        optimizer.zero_grad()
        made = model.student(inputs)
        with torch.no_grad():
            wanted = model.teacher(inputs).softmax(-1)
        (functional.cross_entropy(made, labels) + functional.cross_entropy(made, wanted)).backward()
        optimizer.step()
        pairs = zip(model.student.buffers(), model.teacher.buffers(), strict=True)
        for ours, theirs in pairs:
            theirs.copy_(ours)

    return Subject(model, [optimizer], step, ("teacher",))


@fault("regnet", "bn-statistics", "train-undoes-eval", where=("stem.1",), also=TRAINING_BN)
def statistics_estimated_for_the_average() -> Subject:
    """`update_bn` for averaged weights runs on the model itself, frozen stem in eval included."""
    model = regnet().eval()
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    inputs, labels = images(size=32)
    train_step = classification(model, optimizer, (inputs, labels))

    def step() -> None:
        train_step()
        update_bn([inputs], model)

    return Subject(model, [optimizer], step)


@fault(
    "detr", "train-undoes-eval", "bn-statistics", where=("backbone.1.0.running_mean",),
    also=TRAINING_BN,
)  # fmt: skip
def eval_of_children_only() -> Subject:
    """BatchNorm of a backbone is put into eval mode by its children, and sits deeper."""
    model = Detr()
    model.backbone.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    inputs, _ = images()
    labels, boxes = torch.randint(CLASSES, (4, 3)), torch.rand(4, 3, 4)

    def step() -> None:
        model.train()
        for child in model.backbone.children():
            if isinstance(child, nn.BatchNorm2d):
                child.eval()
        classes, made = model(inputs)
        optimizer.zero_grad()
        loss = functional.cross_entropy(classes.transpose(1, 2), labels)
        (loss + functional.l1_loss(made, boxes)).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("backbone",))


@fault("point_net", "bn-statistics", where=("shared.1.running_var",), also=TRAINING_BN)
def features_of_points_under_no_grad() -> Subject:
    """Frozen features of points are made under `no_grad`, in training mode."""
    model = PointNet()
    model.turn.requires_grad_(False)
    model.shared.requires_grad_(False)
    optimizer = torch.optim.Rprop(model.classifier.parameters(), lr=1e-3)
    points, labels = torch.randn(4, 20, 3), torch.randint(CLASSES, (4,))

    def loss() -> torch.Tensor:
        with torch.no_grad():
            seen = model.features(points)
        return functional.cross_entropy(model.classifier(seen), labels)

    return Subject(model, [optimizer], descending(optimizer, loss), ("turn", "shared"))


@fault("wavenet", "spectral-norm", where=("dilated.0",))
def spectral_norm_of_a_frozen_stack() -> Subject:
    """A stack with spectral norm is frozen by its flags and goes on in training mode."""
    model = WaveNet()
    for layer in model.dilated:
        nn.utils.parametrizations.spectral_norm(layer)
    model.start.requires_grad_(False)
    model.dilated.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    waves, labels = torch.randn(3, 1, 24), torch.randint(CLASSES, (3, 24))
    step = classification(model, optimizer, (waves, labels))
    return Subject(model, [optimizer], step)


@fault("register_vit", "parameter-replaced", where=("position",))
def position_for_a_new_size() -> Subject:
    """The frozen position is interpolated to the size of each stage, as a new parameter."""
    model = RegisterVit()
    model.requires_grad_(False)
    model.head.requires_grad_(True)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    train_step = classification(model, optimizer, images())
    done = 0

    def step() -> None:
        nonlocal done
        if done == 2:
            grid = model.position.detach().transpose(1, 2).view(1, -1, 4, 4)
            wider = functional.interpolate(grid, size=(8, 8), mode="bilinear")
            back = functional.interpolate(wider, size=(4, 4), mode="bilinear")
            model.position = nn.Parameter(back.flatten(2).transpose(1, 2), requires_grad=False)
        train_step()
        done += 1

    return Subject(model, [optimizer], step)


@fault("swin_v2", "inplace-data", where=("features.1.0.attn.logit_scale",))
def soup_of_the_last_epochs() -> Subject:
    """Weights are averaged with those of another fine-tuning, frozen ones included."""
    model = swin_v2()
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.01)
    model.features.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    train_step = classification(model, optimizer, images())
    done = 0

    def step() -> None:
        nonlocal done
        train_step()
        done += 1
        if done == 3:
            mean = {
                name: (tensor + other.state_dict()[name]) / 2
                if tensor.is_floating_point()
                else tensor
                for name, tensor in model.state_dict().items()
            }
            model.load_state_dict(mean, strict=False)

    return Subject(model, [optimizer], step)


@fault("conformer", "dropout-active", where=("blocks",))
def compiled_and_dropping() -> Subject:
    """A compiled model, frozen up to its last layer, whose blocks drop in training mode."""
    model = Conformer(dropout=0.2)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    model.requires_grad_(False)
    model.ctc.requires_grad_(True)
    compiled = torch.compile(model, backend="eager")
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    frames, labels = torch.randn(3, 12, 8), torch.randint(CLASSES, (3, 12))
    return Subject(model, [optimizer], classification(compiled, optimizer, (frames, labels)))
