"""Which parameters an optimizer is usually given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def trained(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of `model` whose flag is on."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
