"""What a frozen part does in passing: chance, gradients that pile up and enter a clip."""

from __future__ import annotations

import torch
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    Bert,
    ConvNext,
    Gpt,
    Mixer,
    NormFreeNet,
    Translator,
    hub_bert,
    vit,
)
from bench.audit_study.batches import (
    classification,
    images,
    labelled_sentences,
    next_token_loss,
    sentences,
)
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained


@fault("bert", "dropout-active", where=("encoder",))
def encoder_drops_at_random() -> Subject:
    """A frozen encoder in training mode: its features differ each time."""
    model = Bert()
    model.embeddings.requires_grad_(False)
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    step = classification(model, optimizer, labelled_sentences())
    return Subject(model, [optimizer], step)


@fault("hub_bert", "dropout-active", where=("bert.encoder",))
def hub_bert_in_train() -> Subject:
    """`model.train()` on a classifier whose `bert` is frozen by its flags, as trainers do it."""
    model = hub_bert()
    model.bert.requires_grad_(False)
    tokens, labels = labelled_sentences()
    optimizer = torch.optim.AdamW(model.classifier.parameters(), lr=1e-3)

    def step() -> None:
        model.train()
        optimizer.zero_grad()
        model(input_ids=tokens, labels=labels).loss.backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("bert",))


@fault("convnext", "dropout-active", where=("stages",))
def frozen_stochastic_depth() -> Subject:
    """Frozen stages leave branches out at random."""
    model = ConvNext(drop_path=0.3)
    model.stem.requires_grad_(False)
    model.stages.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@fault("vit", "dropout-active", where=("encoder",))
def frozen_vit_with_dropout() -> Subject:
    """Linear probing of a vision transformer whose dropout is on."""
    model = vit(dropout=0.2)
    model.requires_grad_(False)
    model.heads.requires_grad_(True)
    optimizer = torch.optim.SGD(model.heads.parameters(), lr=0.1)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@fault("norm_free_net", "gradient-pile-up", where=("stem.weight", "conv1.weight"))
def optimizer_zeroes_its_own_only() -> Subject:
    """The optimizer has the head; the gradients of the rest are added up without end."""
    model = NormFreeNet()
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.1)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("stem", "conv1", "conv2"))


@fault(
    "translator", "gradient-pile-up", where=("transformer.encoder.layers.0.linear1.weight",)
)  # fmt: skip
def decoder_only_in_the_optimizer() -> Subject:
    """The decoder and the generator are trained by choice of the optimizer's parameters."""
    model = Translator()
    trained = [*model.transformer.decoder.parameters(), *model.generator.parameters()]
    optimizer = torch.optim.Adam(trained, lr=1e-3)
    source, target = sentences(), sentences()

    def step() -> None:
        optimizer.zero_grad()
        logits = model(source, target[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("transformer.encoder",))


@fault("mixer", "clip-counts-frozen", where=("stem.weight",))
def clip_over_the_whole_model() -> Subject:
    """The clip takes the norm of all gradients, of which the optimizer knows a part."""
    model = Mixer()
    trained = [*model.norm.parameters(), *model.head.parameters()]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    inputs, labels = images()

    def step() -> None:
        model.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()

    return Subject(model, [optimizer], step, ("stem", "blocks"))


@fault("gpt", "clip-counts-frozen", where=("h.0.qkv.weight",))
def clip_with_a_rate_of_zero() -> Subject:
    """Blocks at a rate of 0 still have gradients, and the clip counts them."""
    model = Gpt(tied=False)
    rest = [p for n, p in model.named_parameters() if not n.startswith("h.")]
    optimizer = torch.optim.AdamW(
        [{"params": trained(model.h), "lr": 0.0}, {"params": rest, "lr": 1e-3}]
    )
    tokens = sentences()

    def step() -> None:
        optimizer.zero_grad()
        next_token_loss(model, tokens).backward()
        clip_grad_norm_(model.parameters(), max_norm=0.05)
        optimizer.step()

    return Subject(model, [optimizer], step)


@fault(
    "bert", "clip-counts-frozen", "gradient-pile-up", where=("embeddings.weight",),
    also=("clip-counts-frozen", "gradient-pile-up"),
)  # fmt: skip
def clip_over_what_piles_up() -> Subject:
    """Both: gradients pile up, and the clip shrinks the update more and more."""
    model = Bert(dropout=0.0)
    trained = [*model.pooler.parameters(), *model.classifier.parameters()]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    tokens, labels = labelled_sentences()

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(tokens), labels).backward()
        clip_grad_norm_(model.parameters(), 0.2)
        optimizer.step()

    return Subject(model, [optimizer], step, ("embeddings", "encoder"))
