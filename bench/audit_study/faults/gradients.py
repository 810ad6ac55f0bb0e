"""Gradients that do not reach what is to be trained, or reach it and are not applied."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    WIDTH,
    Bert,
    ConvNext,
    Gpt,
    Mixer,
    NormFreeNet,
    Siamese,
    Translator,
    UNet,
    densenet,
    efficientnet_b,
    hub_gpt2,
    short_resnet,
    swin,
    vit,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    images,
    labelled_sentences,
    language_modelling,
    sentences,
)
from bench.audit_study.set_up import fault


@fault("convnext", "severed", where=("stages.1.pwconv1.weight",))
def detached_branch() -> Subject:
    """A `.detach()` stands in the residual branch that was to be tuned."""

    class Detaching(ConvNext):
        def forward(self, images: torch.Tensor) -> Any:
            x = self.stages[0](self.stem(images))
            x = x + self.stages[1].branch(x).detach()
            return self.head(self.norm(x.mean((2, 3))))

    model = Detaching()
    model.stem.requires_grad_(False)
    model.stages[0].requires_grad_(False)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


class Adapted(nn.Module):
    """A trainable adapter, a frozen body, a trainable head."""

    def __init__(self, body: nn.Module, features: int) -> None:
        super().__init__()
        self.adapter = nn.Conv2d(3, 3, 1)
        self.body = body.requires_grad_(False)
        self.head = nn.Linear(features, CLASSES)

    def forward(self, images: torch.Tensor) -> Any:
        """Logits `(count, classes)`."""
        with torch.no_grad():
            features = self.body(self.adapter(images))
        return self.head(features)


@fault("swin", "severed", where=("adapter.weight", "adapter.bias"))
def adapter_before_no_grad() -> Subject:
    """An adapter at the input, and the frozen body behind it under `no_grad`: not a word."""
    model = Adapted(swin(), CLASSES)
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("body",))


class PromptedBert(nn.Module):
    """A learned prompt before the embeddings of a frozen encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.bert = Bert(dropout=0.0).requires_grad_(False)
        self.prompt = nn.Parameter(torch.randn(2, WIDTH))
        self.head = nn.Linear(WIDTH, CLASSES)

    @torch.no_grad()
    def encode(self, embedded: torch.Tensor) -> Any:
        """Text features; the decorator was to save memory."""
        return self.bert.encoder(embedded)[:, 0]

    def forward(self, tokens: torch.Tensor) -> Any:
        """Logits `(count, classes)`."""
        prompt = self.prompt.expand(tokens.shape[0], -1, -1)
        embedded = torch.cat([prompt, self.bert.embeddings(tokens)], 1)
        return self.head(self.encode(embedded))


@fault("bert", "severed", where=("prompt",))
def decorated_text_encoder() -> Subject:
    """A decorator `@torch.no_grad()` on the method that runs the frozen encoder cuts the prompt."""
    model = PromptedBert()
    optimizer = torch.optim.SGD([model.prompt, *model.head.parameters()], lr=0.1)
    return Subject(model, [optimizer], classification(model, optimizer, labelled_sentences()))


@fault("siamese", "severed", where=("encoder.0.weight", "encoder.3.weight"))
def through_numpy() -> Subject:
    """Features pass through NumPy on their way to the projection."""
    model = Siamese()
    model.encoder[1].requires_grad_(False)
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    left, right = torch.randn(2, 4, 3, 16, 16)

    def normalised(features: torch.Tensor) -> torch.Tensor:
        array = features.detach().cpu().numpy()
        return torch.from_numpy(array / (array**2).sum(1, keepdims=True) ** 0.5)

    def step() -> None:
        optimizer.zero_grad()
        one, other = (model.projection(normalised(model.encoder(x))) for x in (left, right))
        (one - other).square().mean().backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder.1",))


@fault("mixer", "severed", where=("stem.weight", "blocks.0.norm1.weight"))
def property_under_no_grad() -> Subject:
    """A property makes a weight under `no_grad`, and everything before it loses its gradient."""

    class Pooled(Mixer):
        @property
        def pooled(self) -> torch.Tensor:
            with torch.no_grad():
                return self.norm(self.hidden).mean(1)

        def forward(self, images: torch.Tensor) -> Any:
            x = self.stem(images).flatten(2).transpose(1, 2)
            self.hidden = self.blocks(x)
            return self.head(self.pooled)

    model = Pooled()
    model.blocks[1].requires_grad_(False)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("blocks.1",))


@fault("translator", "severed", where=("transformer.encoder.layers.0.linear1.weight",))
def grad_mode_left_off() -> Subject:
    """`set_grad_enabled(False)` around the encoder: its last layer was to be trained."""
    model = Translator()
    for part in (model.source, model.transformer.encoder.layers[0].self_attn):
        part.requires_grad_(False)
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    source, target = sentences(), sentences()

    def step() -> None:
        optimizer.zero_grad()
        torch.set_grad_enabled(False)
        memory = model.transformer.encoder(model.source(source))
        torch.set_grad_enabled(True)
        hidden = model.transformer.decoder(model.target(target[:, :-1]), memory)
        logits = model.generator(hidden)
        functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@fault("gpt", "reentrant-checkpoint", where=("h.0.qkv.lora_a", "h.1.qkv.lora_b"))
def checkpointed_blocks_behind_a_frozen_embedding() -> Subject:
    """Reentrant checkpointing of blocks with LoRA; no input of theirs asks for a gradient."""

    class Checkpointed(Gpt):
        def forward(self, tokens: torch.Tensor) -> Any:
            x = self.embed(tokens)
            for block in self.h:
                x = checkpoint(block, x, use_reentrant=True)
            return self.lm_head(self.ln_f(x))

    model = Checkpointed(lora=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora" in name or name.startswith("ln_f")
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    return Subject(model, [optimizer], language_modelling(model, optimizer, sentences()))


@fault("densenet", "reentrant-checkpoint", where=("features.denseblock2.denselayer1.conv1.weight",))
def checkpointed_stage_behind_a_frozen_one() -> Subject:
    """The last dense block is trained and checkpointed the reentrant way, behind frozen ones."""
    model = densenet().eval()
    model.features.requires_grad_(False)
    model.features.denseblock2.requires_grad_(True)
    block = model.features.denseblock2.forward
    model.features.denseblock2.forward = lambda x: checkpoint(block, x, use_reentrant=True)
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.01)
    return Subject(model, [optimizer], classification(model, optimizer, images(size=32)))


@fault("hub_gpt2", "severed", where=("prompt",))
def soft_prompt_of_a_hub_model() -> Subject:
    """A soft prompt goes in as `inputs_embeds`, and the frozen base runs in a `no_grad` block."""
    model: Any = nn.Module()
    model.base = hub_gpt2().requires_grad_(False)
    model.prompt = nn.Parameter(torch.randn(2, 16))
    model.score = nn.Linear(16, CLASSES)
    optimizer = torch.optim.AdamW([model.prompt, *model.score.parameters()], lr=1e-2)
    tokens, labels = labelled_sentences()

    def step() -> None:
        words = model.base.transformer.wte(tokens)
        embedded = torch.cat([model.prompt.expand(len(tokens), -1, -1), words], 1)
        with torch.no_grad():
            hidden = model.base.transformer(inputs_embeds=embedded).last_hidden_state
        optimizer.zero_grad()
        functional.cross_entropy(model.score(hidden[:, -1]), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("base",))


@fault("norm_free_net", "unused", where=("auxiliary.weight",))
def auxiliary_head_never_called() -> Subject:
    """An auxiliary head is in the model and in the optimizer, and in no loss."""
    model: Any = NormFreeNet()
    model.auxiliary = nn.Linear(16, CLASSES)
    model.stem.requires_grad_(False)
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@fault("vit", "no-backward")
def scaled_and_not_propagated() -> Subject:
    """The loss is scaled, and `.backward()` was forgotten behind it."""
    model = vit()
    model.requires_grad_(False)
    model.heads.requires_grad_(True)
    optimizer = torch.optim.SGD(model.heads.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    inputs, labels = images()

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), labels)
        scaler.scale(loss)
        scaler.step(optimizer)
        scaler.update()

    return Subject(model, [optimizer], step)


@fault("efficientnet", "no-backward")
def backward_in_training_mode_only() -> Subject:
    """The loop asks whether the model trains, and the frozen model was put into eval mode."""
    model = efficientnet_b().eval()
    model.features.requires_grad_(False)
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=1e-3)
    inputs, labels = images(size=32)

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), labels)
        if model.training:
            loss.backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("features",))


class FirstGroupOnly(torch.optim.Optimizer):
    """Signed descent that looks at its first group only."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Descend."""
        group = self.param_groups[0]
        for parameter in group["params"]:
            if parameter.grad is not None:
                parameter.add_(parameter.grad.sign(), alpha=-group["lr"])


@fault("short_resnet", "not-updated", where=("fc.weight",))
def optimizer_with_one_group_in_mind() -> Subject:
    """An optimizer of the user's own forgets that there can be more groups than one."""
    model = short_resnet().eval()
    model.requires_grad_(False)
    model.layer4.requires_grad_(True)
    model.fc.requires_grad_(True)
    groups = [{"params": model.layer4.parameters()}, {"params": model.fc.parameters()}]
    optimizer = FirstGroupOnly(groups, lr=1e-4)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@fault("unet", "not-updated", "inplace-data", where=("decoder.0.0.weight",))
def best_weights_put_back_each_time() -> Subject:
    """Early stopping without a comparison: the first weights are put back after each step."""
    model = UNet(norm=lambda width: nn.GroupNorm(2, width))
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1)
    inputs = torch.randn(2, 3, 16, 16)
    target = torch.randint(CLASSES, (2, 16, 16))
    train_step = classification(model, optimizer, (inputs, target))
    best = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def step() -> None:
        train_step()
        model.load_state_dict(best)

    return Subject(model, [optimizer], step)


@fault("convnext", "lost-to-rounding", where=("norm.weight", "stages.1.norm.weight"))
def bfloat16_weights() -> Subject:
    """Weights in bfloat16 and a small rate: 1 minus a little is 1."""
    model = ConvNext().bfloat16()
    model.stem.requires_grad_(False)
    model.stages[0].requires_grad_(False)
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=1e-5)
    inputs, labels = images()
    step = classification(model, optimizer, (inputs.bfloat16(), labels))
    return Subject(model, [optimizer], step)


@fault("mixer", "lost-to-rounding", where=("blocks.1.norm2.weight",))
def rate_below_the_precision() -> Subject:
    """AdamW at a rate of 1e-9 on float32 weights of 1."""
    model = Mixer()
    model.stem.requires_grad_(False)
    model.norm.requires_grad_(False)
    for name, parameter in model.blocks.named_parameters():
        parameter.requires_grad = name.endswith("norm2.weight")
    optimizer = torch.optim.AdamW(
        [
            {"params": [model.blocks[0].norm2.weight, model.blocks[1].norm2.weight], "lr": 1e-9},  # type: ignore[union-attr]
            {"params": model.head.parameters()},
        ],
        lr=1e-3,
        weight_decay=0.0,
    )
    return Subject(
        model, [optimizer], classification(model, optimizer, images()), ("stem", "blocks.*.mlp_*",
        "blocks.*.norm1", "blocks.*.norm2.bias", "norm"),
    )  # fmt: skip
