from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from bench.workloads import Options, adapter, build, middle, nested_policy, policy, pretrained
from bench.workloads.digits import digits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LEARNED = {
    "policy": policy.probe,
    "nested_policy": nested_policy.probe,
    "adapter": adapter.classifier,
    "middle": middle.Sandwich,
}


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 28 * 28, 10))


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(tensor, twin) for tensor, twin in pairs)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "freezebench"


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The modules that were really trained, as opposed to read from the cache."""
    trained: list[nn.Module] = []
    train = pretrained._train

    def counted(module: nn.Module) -> None:
        trained.append(module)
        train(module)

    monkeypatch.setattr(pretrained, "_train", counted)
    return trained


@pytest.mark.parametrize("name", LEARNED)
def test_it_reads_nine_of_ten_digits_that_it_never_saw(name: str) -> None:
    _, held_out = digits()
    with torch.no_grad():
        said = pretrained.pretrained(LEARNED[name], seed=0)(held_out.images).argmax(1)
    assert (said == held_out.labels).float().mean().item() >= 0.9


@pytest.mark.parametrize(
    ("name", "frozen", "learned"),
    [
        ("policy", "front_end", "0"),
        ("nested_policy", "front_end", "0"),
        ("adapter", "classifier", ""),
        ("middle", "middle", "middle"),
    ],
)
def test_the_frozen_part_of_a_workload_is_what_was_learned(
    name: str, frozen: str, learned: str
) -> None:
    part = build(name, Options()).model.get_submodule(frozen)
    assert same(part, pretrained.pretrained(LEARNED[name], seed=0).get_submodule(learned))


def test_the_second_time_it_is_read_from_the_cache(
    own_cache: Path, trainings: list[nn.Module]
) -> None:
    first = pretrained.pretrained(linear, seed=1)
    second = pretrained.pretrained(linear, seed=1)
    assert len(trainings) == 1
    assert same(first, second)
    assert [file.suffix for file in own_cache.iterdir()] == [".pt"]


def test_another_seed_or_architecture_is_another_cache_file(own_cache: Path) -> None:
    pretrained.pretrained(linear, seed=1)
    pretrained.pretrained(linear, seed=2)
    pretrained.pretrained(lambda: nn.Sequential(linear(), nn.ReLU()), seed=1)
    assert len(list(own_cache.iterdir())) == 3


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])


def replace_by_text(file: Path) -> None:
    file.write_text("not a state")


def replace_by_another_state(file: Path) -> None:
    torch.save({"1.weight": torch.zeros(2, 2)}, file)


def replace_by_a_list(file: Path) -> None:
    torch.save([1, 2, 3], file)


@pytest.mark.parametrize(
    "damage", [truncate, replace_by_text, replace_by_another_state, replace_by_a_list]
)
def test_a_damaged_cache_file_is_trained_again_and_mended(
    damage: Callable[[Path], None], own_cache: Path, trainings: list[nn.Module]
) -> None:
    first = pretrained.pretrained(linear, seed=1)
    (file,) = own_cache.iterdir()
    damage(file)
    assert same(first, pretrained.pretrained(linear, seed=1))
    assert len(trainings) == 2
    pretrained.pretrained(linear, seed=1)
    assert len(trainings) == 2


def test_without_a_writable_cache_it_trains_each_time_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainings: list[nn.Module]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert same(pretrained.pretrained(linear, seed=1), pretrained.pretrained(linear, seed=1))
    assert len(trainings) == 2


def test_a_failed_write_leaves_nothing_behind(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full)
    pretrained.pretrained(linear, seed=1)
    assert list(own_cache.iterdir()) == []


@pytest.mark.usefixtures("own_cache")
def test_it_leaves_random_state_and_number_of_threads_as_they_were() -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        pretrained.pretrained(linear, seed=1)
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), before)
