from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from watched import Net, frozen_net, hooks_left, train

from bench.measure import stillness
from bench.watch import WatchRequestError, watch

REFUSED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "nothing matches": (Net(), "bakbone.*", {}, r"'bakbone\.\*' matches no.*'backbone"),
    "everything by patterns": (Net(), "*", {}, "leave something to train"),
    "no pattern": (Net(), [], {}, "no pattern"),
    "everything by flags": (Net().requires_grad_(False), None, {}, "off for every parameter"),
    "nothing by flags": (Net(), None, {}, "nothing is frozen.*frozen='backbone'"),
    "nothing left to train": (
        Net().requires_grad_(False), "backbone", {}, "everything that is not frozen"),
    "meta": (Net().to("meta"), "backbone", {}, "backbone.0.weight is on the meta device"),
    "lazy": (Net(nn.LazyLinear(6)), "backbone", {}, "has no shape yet"),
    "not a module": (Net, "backbone", {}, "needs an nn.Module, not a type"),
    "no parameters": (nn.Tanh(), None, {}, "Tanh has no parameters"),
    "every 0": (frozen_net(), None, {"every": 0}, "every is a number of steps.*not 0"),
    "every half": (frozen_net(), None, {"every": 0.5}, "every is a number of steps.*not 0.5"),
    "keep": (frozen_net(), None, {"keep": "file"}, "not 'file'"),
    "optimizers": (frozen_net(), None, {"optimizers": [3]}, "int, which has no param_groups"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "frozen", "asked", "sentence"), REFUSED.values(), ids=list(REFUSED)
)
def test_what_cannot_be_watched_is_refused_in_a_sentence(
    model: Any, frozen: Any, asked: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(WatchRequestError, match=sentence) as caught:
        watch(model, frozen, **asked)

    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert hooks_left(frozen_net()) == []


def test_a_watch_is_entered_once() -> None:
    net = frozen_net()
    once = watch(net)
    with once:
        train(net)

    with pytest.raises(WatchRequestError, match="entered once"), once:
        pass


def test_where_copies_do_not_fit_hashes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stillness, "_free_bytes", lambda device: 8)
    net = frozen_net()

    with watch(net) as report:
        train(net)

    assert report.kept_by == "hash"
    assert "kept by hash" in str(report)


def test_what_is_frozen_between_the_request_and_the_block_counts() -> None:
    net = frozen_net()
    later = watch(net)
    net.backbone[0].requires_grad_(True)

    with later as report:
        train(net)

    assert report.frozen_names == ["backbone.2.weight", "backbone.2.bias"]


def test_a_model_of_half_precision_is_compared_bitwise() -> None:
    net = frozen_net().to(torch.bfloat16)

    with watch(net):
        net(torch.randn(8, 4, dtype=torch.bfloat16)).square().mean().backward()
        torch.optim.SGD(net.parameters(), lr=0.1).step()
