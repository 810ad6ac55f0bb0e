from __future__ import annotations

import pytest
import torch

from bench.workloads import (
    DEFAULT,
    ON_ACCELERATOR,
    ROSTER,
    Options,
    batch_size,
    build,
    to_device,
)
from strategies.partition import Partition

TOPOLOGIES = {"policy": "front", "nested_policy": "front", "adapter": "back", "middle": "middle"}

each = pytest.mark.parametrize("name", ROSTER)


def topology(partition: Partition, order: list[str]) -> str:
    frozen = [name in set(partition.frozen) for name in order]
    return {(True, False): "front", (False, True): "back", (False, False): "middle"}[
        (frozen[0], frozen[-1])
    ]


@each
def test_a_step_on_the_trainable_part_lowers_the_loss(name: str) -> None:
    workload = build(name, Options())
    partition = Partition.of(workload.model, workload.frozen)
    optimizer = torch.optim.SGD(partition.trainable_tensors(workload.model), lr=1e-3)
    before = workload.loss(workload.model, workload.batches[0])
    assert before.shape == ()
    before.backward()
    optimizer.step()
    after = workload.loss(workload.model, workload.batches[0])
    assert after.item() < before.item()


@each
def test_every_trainable_parameter_gets_a_gradient(name: str) -> None:
    workload = build(name, Options(batch=8))
    partition = Partition.of(workload.model, workload.frozen)
    workload.loss(workload.model, workload.batches[0]).backward()
    gradients = [tensor.grad for tensor in partition.trainable_tensors(workload.model)]
    assert all(gradient is not None and gradient.any() for gradient in gradients)


@each
def test_the_frozen_part_sits_where_the_name_says(name: str) -> None:
    workload = build(name, Options())
    partition = Partition.of(workload.model, workload.frozen)
    order = [parameter for parameter, _ in workload.model.named_parameters()]
    assert topology(partition, order) == TOPOLOGIES[name]


@each
def test_a_factory_describes_itself_in_one_sentence(name: str) -> None:
    described = ROSTER[name].__doc__
    assert described
    assert described.endswith(".")
    assert "\n" not in described


@each
def test_there_are_four_batches_of_64_unless_another_size_is_asked_for(name: str) -> None:
    assert [batch_size(batch) for batch in build(name, Options()).batches] == [64] * 4
    assert [batch_size(batch) for batch in build(name, Options(batch=3)).batches] == [3] * 4


@each
def test_no_two_batches_are_the_same(name: str) -> None:
    first, second, *_ = build(name, Options()).batches
    assert not torch.equal(first[0], second[0])


@each
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    one, other = build(name, Options(seed=0)), build(name, Options(seed=0))
    for (key, tensor), (same_key, same) in zip(
        one.model.state_dict().items(), other.model.state_dict().items(), strict=True
    ):
        assert key == same_key
        assert torch.equal(tensor, same)
    for (images, labels), (same_images, same_labels) in zip(
        one.batches, other.batches, strict=True
    ):
        assert torch.equal(images, same_images)
        assert torch.equal(labels, same_labels)


@each
def test_another_seed_gives_other_weights_and_other_batches(name: str) -> None:
    one, other = build(name, Options(seed=0)), build(name, Options(seed=1))
    weights = zip(one.model.parameters(), other.model.parameters(), strict=True)
    assert not all(torch.equal(weight, another) for weight, another in weights)
    assert not torch.equal(one.batches[0][0], other.batches[0][0])


@each
def test_building_leaves_the_global_random_state_alone(name: str) -> None:
    before = torch.get_rng_state()
    build(name, Options(seed=1))
    assert torch.equal(torch.get_rng_state(), before)


@each
def test_on_meta_it_has_the_names_and_shapes_of_the_real_one(name: str) -> None:
    real, meta = build(name, Options(batch=4)), build(name, Options(batch=4), meta=True)
    assert shapes(meta.model.state_dict()) == shapes(real.model.state_dict())
    assert [shapes(dict(enumerate(batch))) for batch in meta.batches] == [
        shapes(dict(enumerate(batch))) for batch in real.batches
    ]
    assert all(tensor.is_meta for tensor in meta.model.state_dict().values())
    assert all(tensor.is_meta for batch in meta.batches for tensor in batch)
    assert meta.loss(meta.model, meta.batches[0]).is_meta


@each
def test_it_runs_with_images_in_channels_last(name: str) -> None:
    workload = build(name, Options(batch=4))
    model = workload.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch = to_device(workload.batches[0], "cpu", channels_last=True)
    assert workload.loss(model, batch).isfinite()


@each
def test_patterns_of_the_request_replace_its_own(name: str) -> None:
    first = next(child for child, _ in build(name, Options()).model.named_children())
    assert build(name, Options(freeze=(first,))).frozen == (first,)


def test_what_runs_by_default_is_there() -> None:
    assert set(DEFAULT) <= set(ROSTER)
    for spec in ON_ACCELERATOR:
        assert build(spec, Options(), meta=True).batches


def shapes(tensors: dict[object, torch.Tensor]) -> dict[object, tuple[torch.Size, torch.dtype]]:
    return {key: (tensor.shape, tensor.dtype) for key, tensor in tensors.items()}
