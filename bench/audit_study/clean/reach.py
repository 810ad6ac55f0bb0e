"""Gradients that end where they should, and reach all that is to be trained."""

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
    Gpt,
    LoraLinear,
    Translator,
    hub_gpt2,
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
from bench.audit_study.set_up import clean
from bench.audit_study.trained import trained


@clean("gpt")
def lora_with_a_tied_head() -> Subject:
    """LoRA in the middle; embedding and head are one and frozen. A's first gradient is 0."""
    model = Gpt(lora=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_" in name
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    return Subject(model, [optimizer], language_modelling(model, optimizer, sentences()))


@clean("translator")
def tied_weights_all_frozen() -> Subject:
    """Source, target and generator share a frozen embedding; the decoder is trained."""
    model = Translator()
    model.requires_grad_(False)
    model.transformer.decoder.requires_grad_(True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    source, target = sentences(), sentences()

    def step() -> None:
        optimizer.zero_grad()
        logits = model(source, target[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()

    frozen = ("source", "target", "generator", "transformer.encoder")
    return Subject(model, [optimizer], step, frozen)


@clean("gpt")
def tied_weights_alltrained() -> Subject:
    """The tied embedding is trained under both of its names; the blocks are frozen."""
    model = Gpt()
    model.h.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    step = language_modelling(model, optimizer, sentences())
    return Subject(model, [optimizer], step, ("h",))


@clean("gpt")
def checkpoint_the_newer_way() -> Subject:
    """Checkpointing without reentrance behind a frozen embedding."""

    class Checkpointed(Gpt):
        def forward(self, tokens: torch.Tensor) -> Any:
            x = self.embed(tokens)
            for block in self.h:
                x = checkpoint(block, x, use_reentrant=False)
            return self.lm_head(self.ln_f(x))

    model = Checkpointed(lora=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_" in name
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    return Subject(model, [optimizer], language_modelling(model, optimizer, sentences()))


@clean("gpt")
def checkpoint_with_an_input_that_asks() -> Subject:
    """Reentrant checkpointing; the embedded input is told to require a gradient."""

    class Checkpointed(Gpt):
        def forward(self, tokens: torch.Tensor) -> Any:
            x = self.embed(tokens).requires_grad_(True)
            for block in self.h:
                x = checkpoint(block, x, use_reentrant=True)
            return self.lm_head(self.ln_f(x))

    model = Checkpointed(lora=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_" in name
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    return Subject(model, [optimizer], language_modelling(model, optimizer, sentences()))


@clean("hub_gpt2")
def hub_checkpointing_the_newer_way() -> Subject:
    """`gradient_checkpointing_enable` without reentrance behind frozen embeddings."""
    model = hub_gpt2()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(("transformer.h.1", "transformer.ln_f"))
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    tokens = sentences()
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("bert")
def prompt_before_a_frozen_encoder() -> Subject:
    """A learned prompt; the gradient goes back through the frozen encoder."""

    class Prompted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = Bert().requires_grad_(False).eval()
            self.prompt = nn.Parameter(torch.randn(2, WIDTH))

        def forward(self, tokens: torch.Tensor) -> Any:
            prompt = self.prompt.expand(tokens.shape[0], -1, -1)
            embedded = torch.cat([prompt, self.bert.embeddings(tokens)], 1)
            return self.bert.classifier(self.bert.encoder(embedded)[:, 0])

    model = Prompted()
    optimizer = torch.optim.Adam([model.prompt], lr=1e-2)
    step = classification(model, optimizer, labelled_sentences())
    return Subject(model, [optimizer], step, ("bert",))


@clean("swin")
def adapter_before_a_frozen_body() -> Subject:
    """An adapter at the input and a head; the body between them is frozen and differentiable."""
    model = nn.Sequential(nn.Conv2d(3, 3, 1), swin().requires_grad_(False), nn.Linear(5, CLASSES))
    optimizer = torch.optim.Adam(trained(model), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, images()), ("1",))


@clean("vit")
def adapters_in_a_frozen_body() -> Subject:
    """Bottlenecks behind each frozen layer, as Houlsby et al. (2019) put them."""
    model = vit()
    model.requires_grad_(False)

    class Adapter(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer
            self.down, self.up = nn.Linear(16, 4), nn.Linear(4, 16)
            nn.init.zeros_(self.up.weight)

        def forward(self, x: torch.Tensor) -> Any:
            x = self.layer(x)
            return x + self.up(functional.gelu(self.down(x)))

    layers = model.encoder.layers
    for place in range(len(layers)):
        layers[place] = Adapter(layers[place])
    model.heads.requires_grad_(True)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("bert")
def biases_only() -> Subject:
    """BitFit: biases and the classifier are trained."""
    model = Bert(dropout=0.0)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.endswith("bias") or name.startswith("classifier")
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, labelled_sentences()))


@clean("translator")
def lora_on_the_decoder() -> Subject:
    """LoRA on a feed-forward layer of `nn.Transformer`, the rest frozen, dropout in eval."""
    model = Translator(dropout=0.1)
    model.eval().requires_grad_(False)
    layer: Any = model.transformer.decoder.layers[0]
    adapted = LoraLinear(2 * WIDTH, WIDTH)
    adapted.base = layer.linear2
    layer.linear2 = adapted
    optimizer = torch.optim.AdamW(trained(model), lr=1e-2)
    source, target = sentences(), sentences()

    def step() -> None:
        optimizer.zero_grad()
        logits = model(source, target[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("gpt")
def rows_of_new_tokens() -> Subject:
    """New tokens have an embedding of their own beside the frozen one."""

    class Extended(Gpt):
        def __init__(self) -> None:
            super().__init__(tied=False)
            self.new = nn.Embedding(4, WIDTH)

        def embed(self, tokens: torch.Tensor) -> Any:
            old = self.wte(tokens.clamp(max=35))
            new = self.new((tokens - 36).clamp(min=0))
            chosen = torch.where((tokens >= 36)[..., None], new, old)
            return chosen + self.wpe(torch.arange(tokens.shape[1]))

    model = Extended()
    model.requires_grad_(False)
    model.new.requires_grad_(True)
    tokens = sentences()
    tokens[:, ::3] = 36 + torch.arange(4)[:, None]
    optimizer = torch.optim.AdamW(model.new.parameters(), lr=1e-3)
    return Subject(model, [optimizer], language_modelling(model, optimizer, tokens))
