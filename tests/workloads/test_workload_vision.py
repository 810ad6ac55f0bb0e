from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models._api import WeightsEnum

from bench.workloads import Options, WorkloadError, build
from bench.workloads.vision import before_last_stage, model_names
from strategies.partition import Partition

PRESETS = {
    "resnet18": ("conv1", "bn1", "layer1", "layer2", "layer3"),
    "resnet50": ("conv1", "bn1", "layer1", "layer2", "layer3"),
    "resnet101": ("conv1", "bn1", "layer1", "layer2", "layer3"),
    "mobilenet_v3_small": tuple(f"features.{block}" for block in range(12)),
    "convnext_tiny": tuple(f"features.{stage}" for stage in range(7)),
    "vit_b_16": (
        "class_token",
        "conv_proj",
        "encoder.pos_embedding",
        *(f"encoder.layers.encoder_layer_{layer}" for layer in range(11)),
    ),
    "vgg11": tuple(f"features.{layer}" for layer in (0, 3, 6, 8, 11, 13, 16)),
    "swin_t": tuple(f"features.{stage}" for stage in range(7)),
    "densenet121": tuple(
        f"features.{stage}"
        for stage in (
            "conv0",
            "norm0",
            "denseblock1",
            "transition1",
            "denseblock2",
            "transition2",
            "denseblock3",
            "transition3",
        )
    ),
    "efficientnet_b0": tuple(f"features.{stage}" for stage in range(8)),
}


@pytest.mark.parametrize("name", PRESETS)
def test_all_before_the_last_stage_is_frozen(name: str) -> None:
    assert build(f"torchvision:{name}", Options(), meta=True).frozen == PRESETS[name]


@pytest.mark.parametrize("name", model_names())
def test_each_model_has_a_frozen_front_a_trainable_head_and_no_memory(name: str) -> None:
    workload = build(f"torchvision:{name}", Options(), meta=True)
    partition = Partition.of(workload.model, workload.frozen)
    order = [parameter for parameter, _ in workload.model.named_parameters()]
    assert order[0] in partition.frozen
    assert order[-1] in partition.trainable
    assert all(tensor.is_meta for tensor in workload.model.state_dict().values())
    assert all(buffer.is_meta for buffer in workload.model.buffers())
    assert all(images.shape[:2] == (32, 3) and images.is_meta for images, _ in workload.batches)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_stay_trainable(name: str) -> None:
    workload = build(f"torchvision:{name}", Options(), meta=True)
    partition = Partition.of(workload.model, workload.frozen)
    assert not [frozen for frozen in partition.frozen if frozen.lower().startswith("aux")]
    assert [free for free in partition.trainable if free.lower().startswith("aux")]


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_the_loss_reaches_the_auxiliary_heads(name: str) -> None:
    workload = build(f"torchvision:{name}", Options(batch=2), meta=True)
    loss = workload.loss(workload.model, workload.batches[0])
    loss.backward()
    assert loss.shape == ()
    assert all(parameter.grad is not None for parameter in workload.model.parameters())


def test_a_real_model_is_the_one_on_meta_in_names_and_shapes() -> None:
    real = build("torchvision:squeezenet1_1", Options(batch=2))
    meta = build("torchvision:squeezenet1_1", Options(batch=2), meta=True)
    assert real.frozen == meta.frozen
    assert shapes(real.model) == shapes(meta.model)
    assert [images.shape for images, _ in real.batches] == [
        images.shape for images, _ in meta.batches
    ]
    assert real.loss(real.model, real.batches[0]).isfinite()


def test_the_same_seed_gives_the_same_bits_and_leaves_the_random_state() -> None:
    before = torch.get_rng_state()
    one, other = (build("torchvision:squeezenet1_1", Options(batch=2, seed=7)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    for tensor, same in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(tensor, same)
    assert torch.equal(one.batches[3][0], other.batches[3][0])


def test_inception_gets_larger_images() -> None:
    (images, _), *_ = build("torchvision:inception_v3", Options(), meta=True).batches
    assert images.shape == (32, 3, 299, 299)


def test_large_batches_are_two_instead_of_four() -> None:
    assert len(build("torchvision:resnet18", Options(batch=256), meta=True).batches) == 2


@pytest.mark.parametrize(
    ("name", "weights"),
    [("squeezenet1_1", "DEFAULT"), ("vit_b_32", "IMAGENET1K_V1"), ("googlenet", "IMAGENET1K_V1")],
)
def test_weights_fit_what_is_built_for_them_on_meta(
    name: str, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_loaded(self: Any, **_: Any) -> Any:
        stand_in = models.get_model(name, init_weights=False) if name == "googlenet" else None
        return (stand_in or models.get_model(name)).state_dict()

    monkeypatch.setattr(WeightsEnum, "get_state_dict", not_loaded)
    real = build(f"torchvision:{name}", Options(batch=2, weights=weights))
    meta = build(f"torchvision:{name}", Options(batch=2, weights=weights), meta=True)
    assert shapes(real.model) == shapes(meta.model)
    assert real.batches[0][0].shape == meta.batches[0][0].shape


def test_weights_for_larger_images_get_larger_images() -> None:
    options = Options(weights="IMAGENET1K_SWAG_E2E_V1")
    (images, _), *_ = build("torchvision:vit_h_14", options, meta=True).batches
    assert images.shape == (32, 3, 518, 518)


def test_weights_that_cannot_be_loaded_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(self: Any, **_: Any) -> Any:
        raise OSError("no network")

    monkeypatch.setattr(WeightsEnum, "get_state_dict", offline)
    with pytest.raises(WorkloadError, match=r"'IMAGENET1K_V1' .* cannot be loaded \(no network\)"):
        build("torchvision:squeezenet1_1", Options(weights="IMAGENET1K_V1"))


def test_unknown_weights_are_told_near_ones() -> None:
    with pytest.raises(WorkloadError, match="has no weights 'IMAGENET1K_V3'; did you mean"):
        build("torchvision:resnet50", Options(weights="IMAGENET1K_V3"))


def test_an_unknown_model_is_told_near_ones() -> None:
    with pytest.raises(WorkloadError, match=r"no classification model 'resnet51'; .*'resnet50'"):
        build("torchvision:resnet51", Options())


def test_names_with_pattern_characters_are_taken_literally() -> None:
    model = nn.Sequential()
    model.add_module("stage[a]", nn.Linear(2, 2))
    model.add_module("stage[b]", nn.Linear(2, 2))
    model.add_module("head", nn.Linear(2, 2))
    partition = Partition.of(model, before_last_stage(model))
    assert partition.frozen_modules == ("stage[a]",)


def shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in model.state_dict().items()}
