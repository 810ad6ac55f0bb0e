"""Values that go on although their gradient does not: rounding, casts, items, lists, caches."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    T5,
    Clip,
    Conformer,
    ConvMixer,
    Denoiser,
    GraphNet,
    PointNet,
    RegisterVit,
    WaveNet,
)
from bench.audit_study.batches import (
    CLASSES,
    descending,
    images,
    labelled_sentences,
    sentences,
)
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained


@fault("conv_mixer", "severed", where=("depthwise.0.0.weight",))
def straight_through_left_out() -> Subject:
    """Activations are rounded to a grid without a straight-through estimator: gradients are 0."""
    model = ConvMixer().eval()
    model.stem.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    inputs, labels = images()

    def loss() -> torch.Tensor:
        quantised = torch.round(model.features(inputs) * 8) / 8
        return functional.cross_entropy(model.head(quantised), labels)

    return Subject(model, [optimizer], descending(optimizer, loss), ("stem",))


@fault("wavenet", "severed", where=("dilated.1.weight", "skips.0.weight"))
def codes_by_argmax() -> Subject:
    """The middle of the stack is taken from a codebook by `argmax`."""
    model: Any = WaveNet()
    model.codebook = torch.nn.Embedding(8, 8)
    model.start.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    waves, labels = torch.randn(3, 1, 24), torch.randint(CLASSES, (3, 24))

    def loss() -> torch.Tensor:
        x, total = model.start(waves), torch.zeros(())
        for index in range(3):
            x, skip = model.layer(x, index)
            total = total + skip
        coded = model.codebook(total.argmax(1)).transpose(1, 2)
        return functional.cross_entropy(model.end(coded), labels)

    return Subject(model, [optimizer], descending(optimizer, loss), ("start",))


@fault("clip", "severed", where=("logit_scale",))
def scale_as_an_item() -> Subject:
    """The loss multiplies by `logit_scale.exp().item()`; the towers are locked, heads train."""
    model = Clip()
    model.visual.requires_grad_(False)
    model.text.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3, weight_decay=0.0)
    (inputs, _), tokens = images(), sentences()

    def loss() -> torch.Tensor:
        likeness = model.of_images(inputs) @ model.of_texts(tokens).T
        return functional.cross_entropy(model.logit_scale.exp().item() * likeness, torch.arange(4))

    return Subject(model, [optimizer], descending(optimizer, loss), ("visual", "text"))


class Scaled(torch.autograd.Function):
    """A linear map whose author forgot the weight in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        """`x` `(count, inputs)` by `weight` `(outputs, inputs)`."""
        ctx.save_for_backward(weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """The gradient of `x` only."""
        (weight,) = ctx.saved_tensors
        return gradients[0] @ weight, None


@fault("point_net", "severed", where=("classifier.0.weight",))
def function_returns_none_for_the_weight() -> Subject:
    """A custom `autograd.Function` returns `None` where the weight's gradient belongs."""
    model = PointNet().eval()
    model.turn.requires_grad_(False)
    model.shared.requires_grad_(False)
    optimizer = torch.optim.NAdam(trained(model), lr=1e-3)
    points, labels = torch.randn(4, 20, 3), torch.randint(CLASSES, (4,))

    def loss() -> torch.Tensor:
        first: Any = model.classifier[0]
        hidden = Scaled.apply(model.features(points), first.weight) + first.bias
        return functional.cross_entropy(model.classifier[2](functional.relu(hidden)), labels)

    return Subject(model, [optimizer], descending(optimizer, loss), ("turn", "shared"))


@fault("denoiser", "severed", where=("time.0.weight", "time.2.bias"))
def embedding_through_a_list() -> Subject:
    """The embedding of time is kept in a table by `tolist`, made anew from it each step."""
    model = Denoiser()
    model.down.requires_grad_(False)
    model.middle.requires_grad_(False)
    optimizer = torch.optim.RAdam(trained(model), lr=1e-3)
    inputs, times = torch.randn(3, 3, 8, 8), torch.tensor([3, 30, 80])

    def loss() -> torch.Tensor:
        table = dict(zip(times.tolist(), model.time(model.waves(times)).tolist(), strict=True))
        shift = torch.tensor([table[int(time)] for time in times])[:, :, None, None]
        skip = functional.silu(model.down(inputs) + shift)
        x = functional.silu(model.middle(functional.avg_pool2d(skip, 2)))
        made = model.up(torch.cat([functional.interpolate(x, scale_factor=2.0), skip], 1))
        return functional.mse_loss(made, inputs)

    return Subject(model, [optimizer], descending(optimizer, loss), ("down", "middle"))


@fault("register_vit", "severed", where=("registers",))
def encoder_under_a_flag() -> Subject:
    """`set_grad_enabled(finetune)` around a frozen encoder, behind registers that are trained."""
    model = RegisterVit()
    model.requires_grad_(False)
    model.registers.requires_grad_(True)
    model.head.requires_grad_(True)
    optimizer = torch.optim.Adamax(trained(model), lr=1e-3)
    inputs, labels = images()
    finetune = False

    def loss() -> torch.Tensor:
        with torch.set_grad_enabled(finetune):
            hidden = model.norm(model.encoder(model.tokens(inputs)))
        return functional.cross_entropy(model.head(hidden[:, 0]), labels)

    frozen = ("patches", "position", "cls", "encoder", "norm")
    return Subject(model, [optimizer], descending(optimizer, loss), frozen)


@fault("graph_net", "severed", where=("conv1.weight",))
def decorated_aggregation() -> Subject:
    """The sum over neighbours is decorated with `no_grad`, since the adjacency is fixed."""
    model = GraphNet()
    model.conv2.requires_grad_(False)
    optimizer = torch.optim.ASGD(trained(model), lr=0.1)
    nodes, labels = torch.randn(12, 8), torch.randint(CLASSES, (12,))

    @torch.no_grad()
    def aggregate(x: torch.Tensor) -> torch.Tensor:
        return model.adjacency @ x

    def loss() -> torch.Tensor:
        x = torch.tanh(model.conv1(aggregate(nodes)))
        logits = model.out(torch.tanh(model.conv2(aggregate(x))))
        return functional.cross_entropy(logits, labels)

    step = descending(optimizer, loss)
    return Subject(model, [optimizer], step, ("conv2",))


@fault("conformer", "severed", where=("subsampling.weight", "blocks.0.ff1.1.weight"))
def front_in_eight_bits() -> Subject:
    """The first block's output goes through int8 on its way to the second, which is frozen."""
    model = Conformer().eval()
    model.blocks[1].requires_grad_(False)
    optimizer = torch.optim.Adagrad(trained(model), lr=0.01)
    frames, labels = torch.randn(3, 12, 8), torch.randint(CLASSES, (3, 12))

    def loss() -> torch.Tensor:
        x = model.blocks[0](model.subsampling(frames))
        x = (x * 16).clamp(-127, 127).to(torch.int8).float() / 16
        return functional.cross_entropy(model.ctc(model.blocks[1](x)).transpose(1, 2), labels)

    return Subject(model, [optimizer], descending(optimizer, loss), ("blocks.1",))


@fault("t5", "reentrant-checkpoint", where=("block.0.q.lora_a", "block.1.v.lora_b"))
def adapters_in_checkpointed_blocks() -> Subject:
    """LoRA in blocks that are checkpointed the older way, behind a frozen embedding."""
    model = T5(lora=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora" in name or name.startswith("classifier")
    tokens, labels = labelled_sentences()
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    place = torch.arange(8)

    def loss() -> torch.Tensor:
        bias = model.relative_bias(place[:, None] - place[None, :] + 16).permute(2, 0, 1)
        x = model.shared(tokens)
        for block in model.block:
            x = checkpoint(block, x, bias, use_reentrant=True)
        return functional.cross_entropy(model.classifier(model.norm(x).mean(1)), labels)

    return Subject(model, [optimizer], descending(optimizer, loss))
