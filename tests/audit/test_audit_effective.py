from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from bench.measure.stillness import Place, Stillness, effective_weights
from bench.watch import watch

PLACE = Place("w", "parameter")


@pytest.mark.parametrize(
    "parametrized",
    [parametrizations.orthogonal, parametrizations.weight_norm, parametrizations.spectral_norm],
)
def test_a_frozen_weight_that_is_computed_stands_still_under_autocast(parametrized: object) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(parametrized(nn.Linear(4, 4)), nn.Linear(4, 2))  # type: ignore[operator]
    model[0].requires_grad_(False).eval()
    optimizer = torch.optim.SGD(model[1].parameters(), 0.1)
    with watch(model) as report:
        for _ in range(3):
            with torch.autocast("cpu", torch.bfloat16):
                optimizer.zero_grad()
                model(torch.randn(8, 4)).float().square().sum().backward()
                optimizer.step()
    assert report.steps == 3


class OnlyTrains(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            raise RuntimeError("in training mode only")
        return x


def test_modes_are_put_back_where_a_parametrization_raises() -> None:
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", OnlyTrains())
    with pytest.raises(RuntimeError, match="in training mode only"):
        effective_weights("layer", layer)
    assert all(part.training for part in layer.modules())


def test_a_complex_tensor_moves_by_its_imaginary_part_too() -> None:
    before = torch.ones(4, dtype=torch.complex64)
    now = before + 3j
    moved = Stillness({PLACE: before}).moved({PLACE: now})[0]
    assert moved.max_abs == pytest.approx(3)
    assert moved.l2 == pytest.approx(6)
    assert moved.relative == pytest.approx(3)
