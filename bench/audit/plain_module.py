"""A training for a bare module: made-up inputs, and a loss that every output is part of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bench.audit.subject import AuditError, Subject
from strategies import Partition, PartitionError, find_tensor
from strategies.boundary import tensors_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_IMAGES = ((2, 3, 224, 224), (2, 3, 32, 32), (2, 1, 28, 28))
_INPUT = re.compile(r"(?:(?P<kind>[a-z]+):)?(?P<shape>\d+(?:x\d+)*)")
_KINDS = ("float", "long", "bool")
_WHOLE = 2  # whole numbers are drawn below this: any embedding has as many rows


def plain(
    model: nn.Module,
    *,
    frozen: tuple[str, ...] | None,
    inputs: Sequence[str] = (),
    device: str = "cpu",
    seed: int = 0,
) -> Subject:
    """A subject that trains `model` by SGD towards random numbers.

    The loss is the mean square of the difference between all floating tensors of the output and
    random ones, which has a gradient also where a mean square alone has none, behind a
    normalisation. A model that is in eval mode altogether is put into training mode; where a part
    of it is in training mode already, its modes are its author's.

    Args:
        model: on any device but `meta`.
        frozen: patterns of what is frozen by `requires_grad_(False)`; `None` leaves the flags.
        inputs: such as `8x3x224x224` or `long:8x16`, one for each argument; if none, the model's
            `example_input_array` or `dummy_inputs`, or the first common shape that it accepts.
        device: of the inputs.
        seed: of the inputs.

    Raises:
        AuditError: the patterns don't fit, nothing is frozen, or no input is known.
    """
    _freeze(model, frozen)
    if not any(module.training for module in model.modules()):
        model.train()
    args, kwargs = _arguments(model, inputs, torch.device(device), seed)
    optimizer = _optimizer(model)
    aims: list[Tensor] = []

    def step() -> None:
        optimizer.zero_grad()
        outputs = [out for out in tensors_in(model(*args, **kwargs)) if out.is_floating_point()]
        if not outputs:
            raise AuditError(
                "the output of the model holds no floating-point tensor to make a loss of; return "
                "the model, the optimizer and a step of your own"
            )
        if not aims:
            aims.extend(_aims(outputs, seed))
        sides = zip(outputs, aims, strict=True)
        loss = torch.stack([(out - aim).square().mean().float() for out, aim in sides]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return Subject(model, [optimizer], step, frozen)


def parse_input(text: str) -> tuple[str, tuple[int, ...]]:
    """The kind and the shape of an input that was typed: `long:8x16` is `("long", (8, 16))`.

    Raises:
        AuditError: it says neither.
    """
    found = _INPUT.fullmatch(text.strip())
    kind = (found["kind"] or "float") if found else ""
    if found is None or kind not in _KINDS:
        raise AuditError(
            f"the input '{text}' is no shape; write sizes such as 8x3x224x224, with the kind in "
            "front if it is not float, as in long:8x16"
        )
    return kind, tuple(int(size) for size in found["shape"].split("x"))


def _freeze(model: nn.Module, frozen: tuple[str, ...] | None) -> None:
    if frozen is not None:
        try:
            partition = Partition.of(model, frozen)
        except PartitionError as error:
            raise AuditError(str(error)) from error
        for name in partition.frozen:
            find_tensor(model, name).requires_grad_(False)
    elif all(parameter.requires_grad for parameter in model.parameters()):
        raise AuditError(
            "nothing of this module is frozen; say what is with --freeze, as in --freeze backbone, "
            "or return it with requires_grad off for a part"
        )


def _optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """SGD with a little rate, in precisions that a little would be lost in with more."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    coarse = any(p.dtype in (torch.float16, torch.bfloat16) for p in parameters)
    if not parameters:
        raise AuditError("no parameter of this module requires a gradient; leave some to train")
    return torch.optim.SGD(parameters, lr=1.0 if coarse else 1e-2)


def _arguments(
    model: nn.Module, inputs: Sequence[str], device: torch.device, seed: int
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    generator = torch.Generator("cpu").manual_seed(seed)

    def drawn(kind: str, shape: tuple[int, ...]) -> Tensor:
        if kind == "float":
            return torch.randn(shape, generator=generator, device="cpu").to(device, dtype)
        whole = torch.randint(_WHOLE, shape, generator=generator, device="cpu")
        return (whole.bool() if kind == "bool" else whole).to(device)

    if inputs:
        return tuple(drawn(*parse_input(text)) for text in inputs), {}
    for name in ("example_input_array", "dummy_inputs"):
        given = getattr(model, name, None)
        if given is not None:
            return _given(given, device)
    for kind, shape in (*(("float", shape) for shape in _likely(model)), ("long", (2, 8))):
        tried = drawn(kind, shape)
        if _accepts(model, tried):
            return (tried,), {}
    raise AuditError(
        "no input of a usual shape went through this module; say one with --input, as in "
        "--input 8x3x224x224 or --input long:8x16, once for each argument"
    )


def _given(given: Any, device: torch.device) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def moved(value: Any) -> Any:
        return value.to(device) if isinstance(value, torch.Tensor) else value

    if isinstance(given, dict):
        return (), {key: moved(value) for key, value in given.items()}
    if isinstance(given, (tuple, list)):
        return tuple(moved(value) for value in given), {}
    return (moved(given),), {}


def _likely(model: nn.Module) -> list[tuple[int, ...]]:
    """Vectors as wide as the first layer, if that is a linear one, and images."""
    first = next((m for m in model.modules() if list(m.parameters(recurse=False))), None)
    return [*([(8, first.in_features)] if isinstance(first, nn.Linear) else []), *_IMAGES]


def _accepts(model: nn.Module, tried: Tensor) -> bool:
    """Whether a forward pass in eval mode goes through; nothing of the model is changed."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            model.eval()(tried)
    except (Exception, SystemExit):  # whatever the user's forward raises, it did not go through
        return False
    finally:
        for module, mode in modes:
            module.training = mode
    return True


def _aims(outputs: list[Tensor], seed: int) -> list[Tensor]:
    generator = torch.Generator("cpu").manual_seed(seed)
    return [
        torch.randn(out.shape, generator=generator, device="cpu").to(out.device, out.dtype)
        for out in outputs
    ]
