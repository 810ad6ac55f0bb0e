"""Gradients that end where they should, and reach all that is to be trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from bench.audit.subject import Subject
from bench.audit_study.architectures import (
    WIDTH,
    Bert,
    ConvNext,
    Experts,
    Gpt,
    LoraLinear,
    Mixer,
    NormFreeNet,
    Siamese,
    Tagger,
    Translator,
    densenet,
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


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


@clean("gpt")
def lora_with_a_tied_head() -> Subject:
    """LoRA in the middle; embedding and head are one and frozen. A's first gradient is 0."""
    model = Gpt(lora=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_" in name
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
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
def tied_weights_all_trained() -> Subject:
    """The tied embedding is trained under both of its names; the blocks are frozen."""
    model = Gpt()
    model.h.requires_grad_(False)
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
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
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
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
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
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
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)

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
    optimizer = torch.optim.Adam(_trained(model), lr=1e-3)
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
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("bert")
def biases_only() -> Subject:
    """BitFit: biases and the classifier are trained."""
    model = Bert(dropout=0.0)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.endswith("bias") or name.startswith("classifier")
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, labelled_sentences()))


@clean("tagger")
def state_carried_over() -> Subject:
    """Word vectors frozen; the recurrent state goes from step to step, detached."""
    model = Tagger()
    model.vectors.requires_grad_(False)
    optimizer = torch.optim.Adam(_trained(model), lr=1e-3)
    data = TensorDataset(sentences(16), torch.randint(CLASSES, (16, 8)))
    batches = iter(DataLoader([data[place % 16] for place in range(400)], batch_size=4))
    state: Any = None

    def step() -> None:
        nonlocal state
        tokens, tags = next(batches)
        logits, state = model(tokens, state)
        state = tuple(part.detach() for part in state)
        optimizer.zero_grad()
        functional.cross_entropy(logits, tags).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("tagger")
def frozen_gru() -> Subject:
    """The recurrent layer is frozen between word vectors and classes that are trained."""
    model = Tagger(nn.GRU)
    model.rnn.requires_grad_(False)
    optimizer = torch.optim.SGD(_trained(model), lr=0.1, momentum=0.9)
    tokens, tags = sentences(), torch.randint(CLASSES, (4, 8))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(tokens)[0], tags).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("rnn",))


@clean("tagger")
def max_norm_that_is_kept() -> Subject:
    """A frozen embedding with `max_norm` whose rows are shorter than that."""
    model = Tagger(max_norm=1.0)
    with torch.no_grad():
        model.vectors.weight.mul_(0.9 / model.vectors.weight.norm(dim=1).max())
    model.vectors.requires_grad_(False)
    optimizer = torch.optim.Adam(_trained(model), lr=1e-3)
    tokens, tags = sentences(), torch.randint(CLASSES, (4, 8))

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(tokens)[0], tags).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("vectors",))


@clean("convnext")
def features_under_no_grad() -> Subject:
    """Nothing that trains is upstream of the features under `no_grad`."""

    class Probe(ConvNext):
        def forward(self, images: torch.Tensor) -> Any:
            with torch.no_grad():
                x = self.stages(self.stem(images)).mean((2, 3))
            return self.head(self.norm(x))

    model = Probe()
    model.stem.requires_grad_(False)
    model.stages.requires_grad_(False)
    optimizer = torch.optim.SGD(_trained(model), lr=0.1)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("densenet")
def inference_mode_and_a_clone() -> Subject:
    """Features under `inference_mode`, cloned before they are trained upon."""
    model = densenet().eval()
    model.features.requires_grad_(False)
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=1e-3)
    inputs, labels = images(size=32)

    def step() -> None:
        with torch.inference_mode():
            features = functional.relu(model.features(inputs)).mean((2, 3))
        optimizer.zero_grad()
        functional.cross_entropy(model.classifier(features.clone()), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("features",))


@clean("mixer")
def features_computed_before() -> Subject:
    """Features were computed once; the frozen part is in the model and does not run."""
    model = Mixer()
    model.stem.requires_grad_(False)
    model.blocks.requires_grad_(False)
    inputs, labels = images()
    with torch.no_grad():
        features = model.blocks(model.stem(inputs).flatten(2).transpose(1, 2))
    optimizer = torch.optim.SGD(_trained(model), lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        logits = model.head(model.norm(features).mean(1))
        functional.cross_entropy(logits, labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("siamese")
def stop_gradient_of_one_side() -> Subject:
    """SimSiam detaches one side by turns; all that trains has its gradient from the other."""
    model = Siamese()
    model.encoder[0].requires_grad_(False)
    optimizer = torch.optim.SGD(_trained(model), lr=0.05, momentum=0.9)
    left, right = torch.randn(2, 4, 3, 16, 16)

    def step() -> None:
        one, other = model(left, right)
        similar = functional.cosine_similarity
        loss = -(similar(one, other.detach()) + similar(other, one.detach())).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("experts")
def experts_by_turns() -> Subject:
    """Each step trains one expert of three; the trunk is frozen."""
    model = Experts()
    model.trunk.requires_grad_(False)
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
    inputs, labels = images()
    done = 0

    def step() -> None:
        nonlocal done
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs, done % 3), labels).backward()
        optimizer.step()
        done += 1

    return Subject(model, [optimizer], step, ("trunk",))


@clean("experts")
def experts_at_random() -> Subject:
    """Two experts of three take part in each step, drawn at random; one of them is frozen."""
    model = Experts()
    model.experts[0].requires_grad_(False)
    optimizer = torch.optim.SGD(_trained(model), lr=0.1)
    inputs, labels = images()

    def step() -> None:
        first, second, _ = torch.randperm(3).tolist()
        logits = model(inputs, first) + model(inputs, second)
        optimizer.zero_grad()
        functional.cross_entropy(logits, labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("experts.0",))


@clean("norm_free_net")
def unused_head_is_frozen() -> Subject:
    """A head that no loss uses is declared frozen, with its flags off."""
    model: Any = NormFreeNet()
    model.auxiliary = nn.Linear(16, CLASSES)
    model.auxiliary.requires_grad_(False)
    model.stem.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = classification(model, optimizer, images())
    return Subject(model, [optimizer], step, ("stem", "auxiliary"))


@clean("siamese")
def hooks_that_look() -> Subject:
    """Hooks log the norms of gradients and activations, and change nothing."""
    model = Siamese()
    model.encoder.requires_grad_(False)
    norms: list[float] = []
    for parameter in model.projection.parameters():
        parameter.register_hook(lambda gradient: norms.append(float(gradient.norm())))
    model.encoder.register_forward_hook(lambda *seen: norms.append(float(seen[-1].norm())))
    optimizer = torch.optim.Adam(_trained(model), lr=1e-3)
    left, right = torch.randn(2, 4, 3, 16, 16)

    def step() -> None:
        one, other = model(left, right)
        optimizer.zero_grad()
        (1 - functional.cosine_similarity(one, other).mean()).backward()
        optimizer.step()

    return Subject(model, [optimizer], step, ("encoder",))


@clean("convnext")
def buffers_of_what_trains() -> Subject:
    """The model counts its steps and centres its logits in buffers outside of what is frozen."""

    class Centred(ConvNext):
        def __init__(self) -> None:
            super().__init__()
            self.seen: torch.Tensor
            self.center: torch.Tensor
            self.register_buffer("seen", torch.tensor(0))
            self.register_buffer("center", torch.zeros(CLASSES))

        def forward(self, images: torch.Tensor) -> Any:
            logits = super().forward(images)
            self.seen += 1
            self.center.lerp_(logits.detach().mean(0), 0.1)
            return logits - self.center

    model = Centred()
    model.stem.requires_grad_(False)
    model.stages.requires_grad_(False)
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-3)
    return Subject(model, [optimizer], classification(model, optimizer, images()))


@clean("translator")
def lora_on_the_decoder() -> Subject:
    """LoRA on a feed-forward layer of `nn.Transformer`, the rest frozen, dropout in eval."""
    model = Translator(dropout=0.1)
    model.eval().requires_grad_(False)
    layer: Any = model.transformer.decoder.layers[0]
    adapted = LoraLinear(2 * WIDTH, WIDTH)
    adapted.base = layer.linear2
    layer.linear2 = adapted
    optimizer = torch.optim.AdamW(_trained(model), lr=1e-2)
    source, target = sentences(), sentences()

    def step() -> None:
        optimizer.zero_grad()
        logits = model(source, target[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("vit")
def shuffled_batches() -> Subject:
    """Another batch in each step, from a loader that shuffles."""
    model = vit()
    model.requires_grad_(False)
    model.heads.requires_grad_(True)
    model.encoder.ln.requires_grad_(True)
    optimizer = torch.optim.SGD(_trained(model), lr=0.1)
    loader = DataLoader(TensorDataset(*images(200)), batch_size=4, shuffle=True)
    batches = iter(loader)

    def step() -> None:
        inputs, labels = next(batches)
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return Subject(model, [optimizer], step)


@clean("gpt")
def rows_of_new_tokens() -> Subject:
    """New tokens have an embedding of their own beside the frozen one."""

    class Extended(Gpt):
        def __init__(self) -> None:
            super().__init__(tied=False)
            self.new = nn.Embedding(4, WIDTH)

        def embed(self, tokens: torch.Tensor) -> torch.Tensor:
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
