"""Steps of several pieces: by turns, by halves, by samples, compiled."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    Clip,
    Conformer,
    Denoiser,
    Detr,
    GraphNet,
    WaveNet,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    descending,
    images,
    sentences,
)
from bench.audit_study.set_up import clean
from bench.audit_study.trained import trained


@clean("detr")
def tasks_by_turns() -> Subject:
    """Classes and boxes are trained in turns; queries and backbone are frozen."""
    model = Detr()
    model.backbone.requires_grad_(False).eval()
    model.queries.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    (inputs, labels), wanted, done = images(3), torch.rand(3, 3, 4), 0

    def loss() -> torch.Tensor:
        nonlocal done
        done += 1
        logits, boxes = model(inputs)
        if done % 2:
            classes = labels[:, None].expand(-1, 3)
            return functional.cross_entropy(logits.transpose(1, 2), classes)
        return functional.l1_loss(boxes, wanted)

    return Subject(model, [optimizer], descending(optimizer, loss), ("backbone", "queries"))


@clean("wavenet")
def private_gradients() -> Subject:
    """DP-SGD: gradients of each sample by `vmap`, clipped, noised, put into `.grad` by hand."""
    model = WaveNet()
    model.start.requires_grad_(False)
    learnt = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(learnt.values(), lr=0.1)
    waves, labels = torch.randn(3, 1, 24), torch.randint(CLASSES, (3, 24))

    def loss(parameters: Any, wave: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        logits = functional_call(model, parameters, (wave[None],))
        return functional.cross_entropy(logits, label[None])

    def step() -> None:
        detached = {name: p.detach() for name, p in learnt.items()}
        grads = vmap(grad(loss), in_dims=(None, 0, 0))(detached, waves, labels)
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in grads.values()]).norm(dim=0)
        factor = (1.0 / norms).clamp(max=1.0)
        for name, parameter in learnt.items():
            summed = torch.einsum("n,n...->...", factor, grads[name])
            parameter.grad = (summed + 0.01 * torch.randn_like(summed)) / 3
        optimizer.step()

    return Subject(model, [optimizer], step, ("start",))


@clean("graph_net")
def compiled_step() -> Subject:
    """The compiled model is called, the model itself is audited; one layer is frozen."""
    model = GraphNet()
    model.conv1.requires_grad_(False)
    compiled: Any = torch.compile(model, backend="eager")
    optimizer = torch.optim.AdamW(trained(model), lr=1e-2)
    batch = torch.randn(12, 8), torch.randint(CLASSES, (12,))
    return Subject(model, [optimizer], classification(compiled, optimizer, batch), ("conv1",))


@clean("clip")
def contrast_in_pieces() -> Subject:
    """GradCache: embeddings under `no_grad`, their gradients, then each piece once more."""
    model = Clip()
    model.visual.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    (inputs, _), tokens = images(), sentences()

    def step() -> None:
        optimizer.zero_grad()
        with torch.no_grad():
            seen: Any = model.of_images(inputs)
            read: Any = model.of_texts(tokens)
        for embedded in (seen, read):
            embedded.requires_grad_(True)
        alike = model.logit_scale.exp() * seen @ read.T
        functional.cross_entropy(alike, torch.arange(4)).backward()
        for at in (slice(0, 2), slice(2, 4)):
            model.of_images(inputs[at]).backward(seen.grad[at])
            model.of_texts(tokens[at]).backward(read.grad[at])
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6)

    return Subject(model, [optimizer], step, ("visual",))


@clean("conformer")
def layer_left_out_by_turns() -> Subject:
    """Every other step leaves the last block out, as layer drop does; the first one is frozen."""
    done = 0

    class Dropped(Conformer):
        def forward(self, frames: torch.Tensor, padded: torch.Tensor | None = None) -> Any:
            nonlocal done
            done += 1
            x = self.blocks[0](self.subsampling(frames), padded)
            return self.ctc(self.blocks[1](x, padded) if done % 2 else x).transpose(1, 2)

    model = Dropped(0.2)
    model.blocks[0].requires_grad_(False).eval()
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    batch = torch.randn(3, 12, 8), torch.randint(CLASSES, (3, 12))
    return Subject(model, [optimizer], classification(model, optimizer, batch), ("blocks.0",))


@clean("denoiser")
def clipped_after_four() -> Subject:
    """Gradients of four batches are added up, clipped and applied; the time's layers are frozen."""
    model = Denoiser()
    model.time.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    (inputs, _), times, done = images(3, 8), torch.tensor([3, 20, 70]), 0

    def step() -> None:
        nonlocal done
        noise = torch.randn_like(inputs)
        (functional.mse_loss(model(inputs + noise, times), noise) / 4).backward()
        done += 1
        if done % 4 == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()

    return Subject(model, [optimizer], step, ("time",))
