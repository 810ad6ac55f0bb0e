"""Fine-tuning scripts whose freezing, groups or rates are not what was meant."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    T5,
    Clip,
    Denoiser,
    Detr,
    GraphNet,
    Perceiver,
    RegisterVit,
    Rwkv,
    WaveNet,
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
from bench.audit_study.set_up import fault
from bench.audit_study.trained import trained


@fault("t5", "no-op-freeze", where=("shared.weight", "block.0.wi.weight"))
def flags_of_a_state_dict() -> Subject:
    """`requires_grad = False` on what `state_dict` returns, which are other tensors."""
    model = T5()
    for name, tensor in model.state_dict().items():
        if not name.startswith("classifier"):
            tensor.requires_grad = False
    optimizer = torch.optim.Adafactor(trained(model), lr=1e-2)
    step = classification(model, optimizer, labelled_sentences())
    return Subject(model, [optimizer], step, ("shared", "block"))


@fault("clip", "no-op-freeze", where=("visual.0.weight",))
def tower_built_after_the_freeze() -> Subject:
    """The image tower is frozen, then replaced by a pretrained one with fresh flags."""
    model = Clip()
    model.visual.requires_grad_(False)
    model.visual = Clip().visual
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    (inputs, _), tokens = images(), sentences()

    def loss() -> torch.Tensor:
        return functional.cross_entropy(model(inputs, tokens), torch.arange(4))

    return Subject(model, [optimizer], descending(optimizer, loss), ("visual",))


@fault(
    "swin_v2", "flag-re-enabled", where=("features.1.0.mlp.0.weight",), also=("flags-changed",)
)  # fmt: skip
def thawed_one_stage_too_many() -> Subject:
    """Gradual thawing counts stages from the wrong end and reaches what is to stay frozen."""
    model = swin_v2()
    model.features.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    train_step = classification(model, optimizer, images())
    done = 0

    def step() -> None:
        nonlocal done
        if done == 2:
            model.features[1].requires_grad_(True)
        train_step()
        done += 1

    return Subject(model, [optimizer], step, ("features",))


@fault("squeezenet", "unfrozen-unlisted", where=("classifier.1.bias",))
def generator_used_up() -> Subject:
    """Parameters are sorted into two groups out of one generator: the second group is empty."""
    model = squeezenet()
    model.features.requires_grad_(False)
    model.classifier[0].eval()
    learnt = (p for p in model.parameters() if p.requires_grad)
    decayed = [p for p in learnt if p.ndim > 1]
    plain = [p for p in learnt if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}], lr=1e-3
    )
    step = classification(model, optimizer, images(size=32))
    return Subject(model, [optimizer], step, ("features",))


@fault("register_vit", "lost-to-rounding", where=("encoder.layers.0.norm1.weight",))
def rates_that_fall_too_fast() -> Subject:
    """Layer-wise rates fall by a factor of 1000 a layer: the first layers' are below precision."""
    model = RegisterVit()
    model.patches.requires_grad_(False)
    model.position.requires_grad_(False)
    model.cls.requires_grad_(False)
    model.registers.requires_grad_(False)
    layers: list[Any] = [model.head, model.norm, model.encoder.layers[1], model.encoder.layers[0]]
    groups = [
        {"params": list(layer.parameters()), "lr": 1e-2 * 0.001**depth}
        for depth, layer in enumerate(layers)
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.05)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("patches", "position", "cls", "registers"))


@fault("rwkv", "decay-on-masked", where=("key.weight", "value.weight"))
def muon_decays_what_is_masked() -> Subject:
    """Hooks zero the gradients of two matrices; Muon decays them nevertheless."""
    model = Rwkv()
    for layer in (model.key, model.value):
        layer.weight.register_hook(torch.zeros_like)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "emb" not in n]
    of_matrices = torch.optim.Muon(matrices, lr=0.02, weight_decay=0.1)
    rest = [p for n, p in model.named_parameters() if p.ndim < 2 or "emb" in n]
    of_rest = torch.optim.AdamW(rest, lr=1e-3)
    tokens = sentences()

    def step() -> None:
        model.zero_grad()
        next_token_loss(model, tokens).backward()
        of_matrices.step()
        of_rest.step()

    return Subject(model, [of_matrices, of_rest], step, ("key", "value"))


@fault("t5", "decay-on-masked", "zeroed-not-none", where=("relative_bias.weight",))
def zeros_for_missing_gradients() -> Subject:
    """Missing gradients are filled with zeros, as for an all-reduce; Adagrad's L2 is added."""
    model = T5()
    model.relative_bias.requires_grad_(False)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.01, weight_decay=0.1)
    tokens, labels = labelled_sentences()

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(tokens), labels).backward()
        for parameter in model.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        optimizer.step()

    return Subject(model, [optimizer], step, ("relative_bias",))


@fault("perceiver", "momentum-coasts", where=("project.weight", "latents"))
def masked_after_nadam_had_begun() -> Subject:
    """NAdam has trained everything for three steps when hooks begin to zero the gradients."""
    model = Perceiver()
    optimizer = torch.optim.NAdam(model.parameters(), lr=1e-2)
    step = classification(model, optimizer, (torch.randn(4, 12, 8), torch.randint(CLASSES, (4,))))
    for _ in range(3):
        step()
    model.zero_grad()
    for parameter in (*model.project.parameters(), model.latents):
        parameter.register_hook(torch.zeros_like)
    return Subject(model, [optimizer], step, ("project", "latents"))


@fault("graph_net", "lr-revived", where=("conv1.weight",))
def optimizer_resumed_in_the_loop() -> Subject:
    """The optimizer is restored from a checkpoint whose rates are those before the freeze."""
    model = GraphNet()
    optimizer = torch.optim.Adam(
        [
            {"params": model.conv1.parameters(), "lr": 1e-3},
            {"params": [*model.conv2.parameters(), *model.out.parameters()], "lr": 1e-2},
        ]
    )
    checkpoint = optimizer.state_dict()
    optimizer.param_groups[0]["lr"] = 0.0
    train_step = classification(
        model, optimizer, (torch.randn(12, 8), torch.randint(CLASSES, (12,)))
    )
    done = 0

    def step() -> None:
        nonlocal done
        train_step()
        done += 1
        if done == 2:
            optimizer.load_state_dict(checkpoint)

    return Subject(model, [optimizer], step)


@fault("perceiver", "tied-weights", where=("cross.0.in_proj_weight",))
def second_look_thawed() -> Subject:
    """The first cross-attention is frozen, and the second, which is the same module, thawed."""
    model = Perceiver()
    model.project.requires_grad_(False)
    model.cross[0].requires_grad_(False)
    model.cross[1].requires_grad_(True)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    step = classification(model, optimizer, (torch.randn(4, 12, 8), torch.randint(CLASSES, (4,))))
    return Subject(model, [optimizer], step, ("project", "cross.0"))


@fault("denoiser", "clip-counts-frozen", where=("down.0.weight",))
def norm_of_everything() -> Subject:
    """The clip is made of `get_total_norm` over the model and scales what the optimizer has."""
    model = Denoiser()
    learnt = [*model.time.parameters(), *model.up.parameters()]
    optimizer = torch.optim.SGD(learnt, lr=0.1)
    inputs, times = torch.randn(3, 3, 8, 8), torch.tensor([3, 30, 80])

    def step() -> None:
        model.zero_grad()
        (functional.mse_loss(model(inputs, times), torch.ones(3, 3, 8, 8)) * 20).backward()
        norm = get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        clip_grads_with_norm_(learnt, 0.1, norm)
        optimizer.step()

    return Subject(model, [optimizer], step, ("down", "middle"))


@fault("detr", "unused", where=("level_embed",))
def level_embedding_never_added() -> Subject:
    """An embedding of levels was added to the model and not to what the transformer sees."""
    model: Any = Detr()
    model.level_embed = nn.Parameter(torch.randn(16))
    model.backbone.requires_grad_(False).eval()
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    inputs, _ = images()
    labels, boxes = torch.randint(CLASSES, (4, 3)), torch.rand(4, 3, 4)

    def loss() -> torch.Tensor:
        classes, made = model(inputs)
        of_classes = functional.cross_entropy(classes.transpose(1, 2), labels)
        return of_classes + functional.l1_loss(made, boxes)

    return Subject(model, [optimizer], descending(optimizer, loss), ("backbone",))


@fault("rwkv", "not-updated", where=("head.weight", "time_decay"))
def warm_up_by_whole_numbers() -> Subject:
    """The warm-up divides by `//`: its factor is 0 for the first hundred steps."""
    model = Rwkv()
    model.emb.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: (done + 1) // 100)
    step = language_modelling(model, optimizer, sentences(), scheduler)
    return Subject(model, [optimizer], step, ("emb",), [scheduler])


@fault("clip", "inference-tensor", also=("step-raised",))
def texts_encoded_under_inference_mode() -> Subject:
    """A locked text tower answers under `inference_mode`, and the product saves its answer."""
    model = Clip()
    model.text.requires_grad_(False)
    model.text_projection.requires_grad_(False)
    optimizer = torch.optim.AdamW(trained(model), lr=1e-3)
    (inputs, _), tokens = images(), sentences()

    def loss() -> torch.Tensor:
        with torch.inference_mode():
            texts = model.of_texts(tokens)
        logits = model.logit_scale.exp() * model.of_images(inputs) @ texts.T
        return functional.cross_entropy(logits, torch.arange(4))

    step = descending(optimizer, loss)
    return Subject(model, [optimizer], step, ("text", "text_projection"))


@fault("wavenet", "step-raised")
def schedule_shorter_than_the_training() -> Subject:
    """OneCycle was told of four steps, and the training goes on."""
    model = WaveNet()
    model.start.requires_grad_(False)
    optimizer = torch.optim.SGD(trained(model), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=4)
    batch = torch.randn(3, 1, 24), torch.randint(CLASSES, (3, 24))
    step = classification(model, optimizer, batch, scheduler)
    return Subject(model, [optimizer], step, ("start",), [scheduler])
