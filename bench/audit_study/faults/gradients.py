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
    Siamese,
    Translator,
    densenet,
    hub_gpt2,
    swin,
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
from bench.audit_study.trained import trained


@fault("convnext", "severed", where=("stages.1.pwconv1.weight",))
def detached_branch() -> Subject:
    """A `.detach()` stands in the residual branch that was to be tuned."""

    class Detaching(ConvNext):
        def forward(self, images: torch.Tensor) -> Any:
            first, second = self.stages
            x = first(self.stem(images))
            x = x + second.branch(x).detach()  # type: ignore[operator]
            return self.head(self.norm(x.mean((2, 3))))

    model = Detaching()
    model.stem.requires_grad_(False)
    model.stages[0].requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
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
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
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
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
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
        def pooled(self) -> Any:
            with torch.no_grad():
                return self.norm(self.hidden).mean(1)

        def forward(self, images: torch.Tensor) -> Any:
            x = self.stem(images).flatten(2).transpose(1, 2)
            self.hidden = self.blocks(x)
            return self.head(self.pooled)

    model = Pooled()
    model.blocks[1].requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("blocks.1",))


@fault("translator", "severed", where=("transformer.encoder.layers.0.linear1.weight",))
def grad_mode_left_off() -> Subject:
    """`set_grad_enabled(False)` around the encoder: its last layer was to be trained."""
    model = Translator()
    for part in (model.source, model.transformer.encoder.layers[0].self_attn):
        part.requires_grad_(False)
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
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
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    return Subject(model, [optimizer], language_modelling(model, optimizer, sentences()))


@fault("densenet", "reentrant-checkpoint", where=("features.denseblock2.denselayer1.conv1.weight",))
def checkpointed_stage_behind_a_frozen_one() -> Subject:
    """The last dense block is trained and checkpointed the reentrant way, behind frozen ones."""
    model = densenet().eval()
    model.features.requires_grad_(False)
    model.features.denseblock2.requires_grad_(True)
    block = model.features.denseblock2.forward
    model.features.denseblock2.forward = lambda x: checkpoint(block, x, use_reentrant=True)
    optimizer = torch.optim.SGD(trained(model), lr=0.01)
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
