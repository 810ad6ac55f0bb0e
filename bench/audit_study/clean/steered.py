"""Groups, rates and optimizers as fine-tuning scripts have them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    T5,
    WIDTH,
    Perceiver,
    RegisterVit,
    Rwkv,
    regnet,
    squeezenet,
    swin_v2,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    descending,
    images,
    labelled_sentences,
    language_modelling,
    next_token_loss,
    sentences,
)
from bench.audit_study.set_up import clean
from bench.audit_study.trained import trained


@clean("rwkv")
def muon_for_the_matrices() -> Subject:
    """Muon has the matrices, AdamW vectors and head; the embedding is in neither, and frozen."""
    model = Rwkv()
    model.emb.requires_grad_(False)
    inner = [p for n, p in model.named_parameters() if p.ndim == 2 and not n.startswith("emb")]
    muon = torch.optim.Muon(inner, lr=0.02, weight_decay=0.1)
    rest = [p for p in trained(model) if p.ndim < 2]
    adamw = torch.optim.AdamW(rest, lr=1e-2)
    tokens = sentences()

    def step() -> None:
        model.zero_grad()
        next_token_loss(model, tokens).backward()
        muon.step()
        adamw.step()

    return Subject(model, [muon, adamw], step, ("emb",))


class Lion(torch.optim.Optimizer):
    """Steps of one size along the sign of an interpolated momentum (Chen et al., 2023)."""

    def __init__(self, params: Any, lr: float, decay: float) -> None:
        super().__init__(params, {"lr": lr, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move what has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                average = state.setdefault("average", torch.zeros_like(parameter))
                parameter.mul_(1 - group["lr"] * group["decay"])
                parameter.sub_(group["lr"] * average.lerp(parameter.grad, 0.1).sign())
                average.lerp_(parameter.grad, 0.01)


@clean("rwkv")
def lion_over_everything() -> Subject:
    """A Lion of one's own over all parameters, with decay, leaves out what has no gradient."""
    model = Rwkv()
    model.emb.requires_grad_(False)
    model.time_decay.requires_grad_(False)
    optimizer = Lion(model.parameters(), lr=1e-3, decay=0.1)
    step = language_modelling(model, optimizer, sentences())
    return Subject(model, [optimizer], step, ("emb", "time_decay"))


@clean("t5")
def lora_under_adafactor() -> Subject:
    """Adafactor with a warm-up over LoRA; A's first gradient is 0, because B is."""
    model = T5(lora=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_" in name or name.startswith("classifier")
    optimizer = torch.optim.Adafactor(trained(model), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=4)
    step = classification(model, optimizer, labelled_sentences(), scheduler)
    return Subject(model, [optimizer], step, None, [scheduler])


@clean("t5")
def soft_prompt() -> Subject:
    """Prompt tuning: of a model with a prompt, only the prompt is trained."""

    class Prompted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = T5().requires_grad_(False)
            self.prompt = nn.Parameter(torch.randn(1, 3, WIDTH))

        def forward(self, tokens: torch.Tensor) -> Any:
            seen = self.body.shared(tokens)
            hidden = self.body.hidden(torch.cat([self.prompt.expand(len(seen), -1, -1), seen], 1))
            return self.body.classifier(hidden[:, 3:].mean(1))

    model = Prompted()
    optimizer = torch.optim.Adafactor([model.prompt], lr=0.3)
    step = classification(model, optimizer, labelled_sentences())
    return Subject(model, [optimizer], step, ("body",))


@clean("register_vit")
def rates_that_fall_by_layer() -> Subject:
    """Layer-wise rates fall gently; norms and biases are not decayed; a loss scaler is off."""
    model = RegisterVit()
    for part in (model.patches, model.position, model.registers):
        part.requires_grad_(False)
    layers: list[Any] = [model.head, model.norm, model.encoder.layers[1], model.encoder.layers[0]]
    groups: list[dict[str, Any]] = [{"params": [model.cls], "lr": 1e-4}]
    for depth, layer in enumerate(layers):
        for decay, chosen in ((0.05, lambda p: p.ndim > 1), (0.0, lambda p: p.ndim <= 1)):
            params = [p for p in layer.parameters() if chosen(p)]
            groups.append({"params": params, "lr": 1e-3 * 0.65**depth, "weight_decay": decay})
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]])
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    inputs, labels = images()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = functional.cross_entropy(model(inputs), labels)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()

    return Subject(model, [optimizer], step, ("patches", "position", "registers"))


@clean("swin_v2", "flags-changed")
def thawed_as_announced() -> Subject:
    """The second stage is thawed after two steps, and only what stays frozen is declared."""
    model = swin_v2()
    model.features.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    train_step, done = classification(model, optimizer, images()), 0

    def step() -> None:
        nonlocal done
        if done == 2:
            model.features[2:].requires_grad_(True)
        train_step()
        done += 1

    frozen = ("features.0", "features.1")
    return Subject(model, [optimizer], step, frozen)


@clean("squeezenet")
def last_convolution_replaced() -> Subject:
    """The last convolution is replaced, then the rest is frozen; gradients are clipped by value."""
    model = squeezenet()
    model.features.requires_grad_(False)
    model.classifier[1] = nn.Conv2d(512, CLASSES, 1)
    optimizer = torch.optim.Adadelta(trained(model), lr=1.0)
    inputs, labels = images(size=32)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.1)
        optimizer.step()

    return Subject(model, [optimizer], step, ("features",))


@clean("perceiver")
def shared_attention_frozen() -> Subject:
    """Both cross-attentions are one module, frozen under both names; the latents are trained."""
    model = Perceiver()
    model.cross.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, amsgrad=True)
    batch = torch.randn(4, 6, 8), torch.randint(CLASSES, (4,))
    return Subject(model, [optimizer], classification(model, optimizer, batch), ("cross",))


@clean("regnet")
def only_the_stem_in_eval() -> Subject:
    """BatchNorm of the frozen stem is in eval mode; that of the blocks is trained, with L2-SP."""
    model = regnet()
    model.stem.requires_grad_(False).eval()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD(trained(model), lr=0.05, momentum=0.9, nesterov=True)
    inputs, labels = images(size=32)

    def loss() -> Any:
        away = sum((p - start[name]).square().sum() for name, p in model.named_parameters())
        return functional.cross_entropy(model(inputs), labels) + 0.01 * away

    return Subject(model, [optimizer], descending(optimizer, loss), ("stem",))
