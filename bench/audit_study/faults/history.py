"""What optimizers go on applying after the freeze, and what they do without a gradient."""

from __future__ import annotations

import torch
from torch.nn import functional

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    Bert,
    ConvNext,
    Gpt,
    Mixer,
    NormFreeNet,
    Siamese,
    Tagger,
    densenet,
    swin,
    vit,
)
from bench.audit_study.batches import (
    CLASSES,
    classification,
    images,
    labelled_sentences,
    language_modelling,
    next_token_loss,
    sentences,
)
from bench.audit_study.set_up import fault


@fault("bert", "stale-gradient", where=("embeddings.weight", "encoder.layers.0.linear1.weight"))
def importance_pass_leaves_gradients() -> Subject:
    """A pass that weighs parameters by their gradients leaves them there; then comes the freeze."""
    model = Bert(dropout=0.0)
    tokens, labels = labelled_sentences()
    functional.cross_entropy(model(tokens), labels).backward()
    importance = {n: p.grad.abs().mean() for n, p in model.named_parameters() if p.grad is not None}
    model.register_buffer("importance", torch.stack(list(importance.values())))
    model.embeddings.requires_grad_(False)
    model.encoder.requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        loss = functional.cross_entropy(model(tokens), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return Subject(model, [optimizer], step, ("embeddings", "encoder"))


@fault("convnext", "stale-gradient", where=("stem.weight", "stages.0.dwconv.weight"))
def only_the_head_is_zeroed() -> Subject:
    """Frozen in mid-training; from then on only the head's gradients are cleared."""
    model = ConvNext()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    batch = images()
    pretrain = classification(model, optimizer, batch)
    for _ in range(2):
        pretrain()
    model.stem.requires_grad_(False)
    model.stages.requires_grad_(False)

    def step() -> None:
        model.norm.zero_grad()
        model.head.zero_grad()
        functional.cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@fault("gpt", "stale-gradient", where=("wte.weight", "h.0.qkv.weight"))
def frozen_between_backward_and_step() -> Subject:
    """The freeze came after an accumulated backward pass whose update was still to come."""
    model = Gpt(tied=False)
    tokens = sentences()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    (next_token_loss(model, tokens) / 2).backward()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(("ln_f", "lm_head"))

    def step() -> None:
        next_token_loss(model, tokens).backward()
        optimizer.step()
        optimizer.zero_grad()

    return Subject(model, [optimizer], step)


@fault("vit", "zeroed-not-none", "momentum-coasts", where=("conv_proj.weight",))
def zeroed_in_mid_training() -> Subject:
    """Frozen after some epochs of Adam, in a loop that sets gradients to zero and not to None."""
    model = vit()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    batch = images()

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        functional.cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()

    for _ in range(3):
        step()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("heads")
    return Subject(model, [optimizer], step)


@fault("mixer", "zeroed-not-none", where=("stem.weight", "blocks.0.mlp_tokens.0.weight"))
def zeroed_with_decay_and_history() -> Subject:
    """The same with AdamW: zeros let its moments and its weight decay go on."""
    model = Mixer()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    inputs, labels = images()

    def step() -> None:
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)

    step()
    step()
    model.stem.requires_grad_(False)
    model.blocks.requires_grad_(False)
    return Subject(model, [optimizer], step, ("stem", "blocks"))


@fault("norm_free_net", "decay-on-masked", where=("stem.weight", "conv1.weight"))
def hooks_zero_what_decays() -> Subject:
    """Hooks multiply the gradients by 0; the weight decay of SGD comes after them."""
    model = NormFreeNet()
    for module in (model.stem, model.conv1, model.conv2):
        for parameter in module.parameters():
            parameter.register_hook(lambda gradient: gradient * 0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=5e-2)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("stem", "conv1", "conv2"))


@fault("tagger", "decay-on-masked", where=("vectors.weight",))
def word_vectors_masked_under_adamw() -> Subject:
    """The gradient of the word vectors is zeroed before each step of AdamW."""
    model = Tagger()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    tokens, tags = sentences(), torch.randint(CLASSES, (4, 8))

    def step() -> None:
        optimizer.zero_grad()
        logits, _ = model(tokens)
        functional.cross_entropy(logits, tags).backward()
        model.vectors.weight.grad.zero_()  # type: ignore[union-attr]
        optimizer.step()

    return Subject(model, [optimizer], step, ("vectors",))


@fault("siamese", "momentum-coasts", where=("encoder.0.weight",))
def masked_after_a_warm_start() -> Subject:
    """Gradients are masked from the third step on; the momentum of the first two rolls on."""
    model = Siamese()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    left, right = torch.randn(2, 4, 3, 16, 16)
    frozen = False

    def step() -> None:
        optimizer.zero_grad()
        one, other = model(left, right)
        (1 - functional.cosine_similarity(one, other)).mean().backward()
        if frozen:
            for parameter in model.encoder.parameters():
                parameter.grad.mul_(0)  # type: ignore[union-attr]
        optimizer.step()

    step()
    step()
    frozen = True
    return Subject(model, [optimizer], step, ("encoder",))


@fault("swin", "momentum-coasts", where=("features.0.0.weight",))
def masked_rmsprop_with_momentum() -> Subject:
    """RMSprop with momentum, masked by hooks that are registered after a few epochs."""
    model = swin()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, momentum=0.9)
    step = classification(model, optimizer, images())
    step()
    for parameter in model.features[0].parameters():
        parameter.register_hook(torch.zeros_like)
    return Subject(model, [optimizer], step, ("features.0",))


@fault("densenet", "stale-gradient", where=("features.conv0.weight",))
def probe_of_gradient_norms() -> Subject:
    """A look at the gradients' norms before training; the loop zeroes what it trains."""
    model = densenet().eval()
    batch = images(size=32)
    functional.cross_entropy(model(batch[0]), batch[1]).backward()
    model.features.requires_grad_(False)
    model.classifier.zero_grad()
    optimizer = torch.optim.NAdam(model.parameters(), lr=1e-3)

    def step() -> None:
        functional.cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()
        for parameter in model.classifier.parameters():
            parameter.grad = None

    return Subject(model, [optimizer], step, ("features",))


@fault("gpt", "decay-on-masked", where=("wpe.weight",))
def masked_positions_with_l2() -> Subject:
    """`torch.where` on a gradient hook for the positions, and Adam with L2 in its groups."""
    model = Gpt()
    model.wpe.weight.register_hook(lambda gradient: torch.where(gradient == 0, gradient, 0.0))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=0.01)
    return Subject(model, [optimizer], language_modelling(model, optimizer, sentences()), ("wpe",))
