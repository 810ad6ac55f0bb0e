from __future__ import annotations

import torch

from bench.workloads.digits import HELD_OUT, batches, digits


def test_digits_are_small_colour_images_with_their_labels() -> None:
    train, held_out = digits()
    assert train.images.shape == (1797 - HELD_OUT, 3, 28, 28)
    assert held_out.images.shape == (HELD_OUT, 3, 28, 28)
    assert train.labels.unique().tolist() == held_out.labels.unique().tolist() == list(range(10))


def test_train_images_are_normalised() -> None:
    train, _ = digits()
    assert abs(train.images.mean().item()) < 1e-4
    assert abs(train.images.std().item() - 1) < 1e-3


def test_the_three_channels_hold_the_same_grey() -> None:
    (images, _), *_ = batches(5, 1, seed=0)
    assert torch.equal(images[:, 0], images[:, 2])


def test_no_sample_comes_twice_before_all_have_come() -> None:
    train, _ = digits()
    images = torch.cat([images for images, _ in batches(100, 14, seed=0)])
    assert len(images.flatten(1).unique(dim=0)) == len(
        train.images[: len(images)].flatten(1).unique(dim=0)
    )


def test_a_batch_larger_than_the_data_starts_the_order_again() -> None:
    (images, labels), *_ = batches(2000, 1, seed=0)
    train, _ = digits()
    assert images.shape == (2000, 3, 28, 28)
    assert torch.equal(images[: 2000 - len(train.labels)], images[len(train.labels) :])
    assert torch.equal(labels[: 2000 - len(train.labels)], labels[len(train.labels) :])


def test_noise_has_the_deviation_asked_for_and_leaves_the_labels() -> None:
    (clean, labels), *_ = batches(500, 1, seed=0)
    (noisy, same_labels), *_ = batches(500, 1, seed=0, noise=0.5)
    assert torch.equal(labels, same_labels)
    assert abs((noisy - clean).std().item() - 0.5) < 0.01
