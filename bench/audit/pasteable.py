"""Names of modules and parameters as code that can be pasted behind `model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

_FEW = 3  # modules that one line of code names one by one


def expression(model: nn.Module, name: str) -> str:
    """How a module or a parameter is reached: `model.layers[0].weight`."""
    if not name:
        return "model"
    code, here = "model", model
    for part in name.split("."):
        if isinstance(here, (nn.Sequential, nn.ModuleList)) and part.isdecimal():
            code += f"[{part}]"
        elif isinstance(here, nn.ModuleDict):
            code += f"[{part!r}]"
        elif part.isidentifier():
            code += f".{part}"
        else:
            code = f"getattr({code}, {part!r})"
        here = getattr(here, part, here)
    return code


def covering(model: nn.Module, names: Sequence[str]) -> list[str]:
    """The fewest modules that hold these parameters and no other, and the parameters left over.

    In order of `model.named_modules()`; the model itself is none of them.
    """
    left = dict.fromkeys(names)
    found: list[str] = []
    for name, module in model.named_modules():
        inside = [f"{name}.{leaf}" for leaf, _ in module.named_parameters(remove_duplicate=False)]
        if name and inside and all(parameter in left for parameter in inside):
            found.append(name)
            for parameter in inside:
                del left[parameter]
    return [*found, *left]


def for_each(model: nn.Module, names: Sequence[str], call: str) -> str:
    """A line that does `call` to the modules and parameters that cover `names`.

    `requires_grad_(False)` to all of `backbone` gives `model.backbone.requires_grad_(False)`.
    """
    places = [expression(model, name) for name in covering(model, names)]
    if len(places) == 1:
        return f"{places[0]}.{call}"
    if len(places) <= _FEW:
        return f"for part in ({', '.join(places)}): part.{call}"
    return f"for name in {list(names)!r}: model.get_parameter(name).{call}"


def parameters_of(model: nn.Module, names: Sequence[str]) -> str:
    """An expression of an iterable over these parameters."""
    places = covering(model, names)
    modules = dict(model.named_modules())
    if len(places) == 1 and places[0] in modules:
        return f"{expression(model, places[0])}.parameters()"
    if len(places) <= _FEW and not any(place in modules for place in places):
        listed = ", ".join(expression(model, place) for place in places)
        return f"({listed},)"
    if len(places) <= _FEW and all(place in modules for place in places):
        listed = ", ".join(expression(model, place) for place in places)
        return f"(p for part in ({listed}) for p in part.parameters())"
    return f"(model.get_parameter(name) for name in {list(names)!r})"


def said(names: Sequence[str], model: nn.Module) -> str:
    """Names in a sentence: the modules that cover them, the first few of them."""
    places = covering(model, names)
    shown = ", ".join(places[:_FEW])
    return shown if len(places) <= _FEW else f"{shown} and {len(places) - _FEW} more"
