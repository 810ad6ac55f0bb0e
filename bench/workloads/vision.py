"""Any classification model of torchvision, all but its last stage and its head frozen."""

from __future__ import annotations

from functools import partial
from glob import escape
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from bench.workloads.again import Again
from bench.workloads.meta import ParametersOnMeta, to_meta
from bench.workloads.seeding import seeded
from bench.workloads.workload import BATCHES, Workload, WorkloadError
from strategies.suggest import suggest

if TYPE_CHECKING:
    from torch import Tensor

    from bench.workloads.options import Options

PREFIX = "torchvision:"
_BATCH = 32
_LARGE_BATCH = 64  # from above it, two batches: four of 256 images are 0.6 GB
_CLASSES = 1000
_SIDE = {"inception_v3": 299}  # pixels; all the others take 224 without weights
_EXPLICIT: dict[str, dict[str, Any]] = {  # torchvision warns unless this is said
    "googlenet": {"init_weights": True},
    "inception_v3": {"init_weights": True},
}
_AUXILIARY_WEIGHT = 0.3  # GoogLeNet's paper (arXiv:1409.4842), section 5
_BULK = 0.6  # of all parameter tensors: a child with so many holds the trunk

_models: Again[nn.Module] = Again()
_data: Again[list[tuple[torch.Tensor, torch.Tensor]]] = Again()


def vision(name: str, options: Options, *, meta: bool = False) -> Workload:
    """A classification model of torchvision, all before its last stage frozen, on random images.

    Args:
        name: as in `torchvision.models.list_models()`, without prefix.
        options: batch size, seed and name of torchvision's weights.
        meta: build everything on `meta`, without allocating or loading anything.

    Raises:
        WorkloadError: torchvision has no such model or weights, or they cannot be loaded.
    """
    from torchvision import models  # noqa: PLC0415 - it costs a second

    names = model_names()
    if name not in names:
        raise WorkloadError(
            f"torchvision has no classification model '{name}'; {suggest(name, names)}"
        )
    weights = _weights(name, options.weights)
    if meta:
        with ParametersOnMeta():
            model = to_meta(models.get_model(name, weights=None, **_architecture(name, weights)))
    else:
        made = (name, weights, options.seed)
        model = _models.get((*made, torch.get_default_dtype()), partial(_built, *made))
    side = _SIDE.get(name, 224) if weights is None else weights.transforms.keywords["crop_size"]
    size = options.batch or _BATCH
    asked = (size, side, _classes(weights), options.seed)
    batches = _on_meta(size, side) if meta else _data.get(asked, partial(_batches, *asked))
    return Workload(
        model,
        batches,
        frozen=before_last_stage(model),
        loss=classification_loss,
    )


def model_names() -> list[str]:
    """The classification models that the installed torchvision has."""
    from torchvision import models  # noqa: PLC0415

    names: list[str] = models.list_models(module=models)
    return names


def classification_loss(model: nn.Module, batch: Any) -> Tensor:
    """Cross entropy, shape `()`; where there are auxiliary heads, theirs too, times 0.3."""
    images, labels = batch
    scores = model(images)
    if isinstance(scores, torch.Tensor):
        return functional.cross_entropy(scores, labels)
    main, *auxiliary = scores  # a namedtuple: `logits` and what the auxiliary heads say
    loss = functional.cross_entropy(main, labels)
    for one in auxiliary:
        if one is not None:
            loss = loss + _AUXILIARY_WEIGHT * functional.cross_entropy(one, labels)
    return loss


def before_last_stage(model: nn.Module) -> tuple[str, ...]:
    """Patterns that freeze all that is defined before the last stage of a classifier.

    The trunk is found from the root down, as long as one child holds 60% of the parameter tensors
    and no further stage follows it. The last stage is the trunk's last child with a weight of two
    dimensions or more, not counting the head. Auxiliary heads stay trainable like the head.

    Returns:
        Exact names of modules and parameters, as few as will do: for `resnet18`
        `("conv1", "bn1", "layer1", "layer2", "layer3")`.
    """
    trunk, path = model, ""
    while (name := _main_child(model, trunk)) is not None:
        trunk, path = trunk.get_submodule(name), f"{path}{name}."
    stages = _weighty(trunk)
    if trunk is model:
        stages = [name for name in stages if name != _head(model)]
    last_stage = f"{path}{stages[-1]}."
    names = [name for name, _ in model.named_parameters()]
    first = next(at for at, name in enumerate(names) if name.startswith(last_stage))
    frozen = [name for name in names[:first] if not _is_auxiliary(name)]
    partly = {above for name in set(names) - set(frozen) for above in _ancestors(name)}
    covers = (
        next((above for above in _ancestors(name) if above not in partly), name) for name in frozen
    )
    return tuple(escape(cover) for cover in dict.fromkeys(covers))


def _main_child(model: nn.Module, trunk: nn.Module) -> str | None:
    bulk = _BULK * sum(1 for _ in model.parameters())
    stages = _weighty(trunk)
    after_trunk = 1 if trunk is model else 0  # the head comes after the trunk, but only it
    for at, name in enumerate(stages):
        child = trunk.get_submodule(name)
        followers = len(stages) - at - 1
        if sum(1 for _ in child.parameters()) >= bulk and followers <= after_trunk:
            return name if _weighty(child) else None
    return None


def _weighty(module: nn.Module) -> list[str]:
    """The children with a weight of two dimensions or more, without auxiliary heads."""
    return [
        name
        for name, child in module.named_children()
        if any(parameter.dim() >= 2 for parameter in child.parameters()) and not _is_auxiliary(name)
    ]


def _head(model: nn.Module) -> str:
    return [
        name for name, child in model.named_children() if any(True for _ in child.parameters())
    ][-1]


def _is_auxiliary(name: str) -> bool:
    return name.lower().startswith("aux")  # `aux1` of GoogLeNet, `AuxLogits` of Inception


def _ancestors(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _weights(name: str, wanted: str | None) -> Any:
    from torchvision import models  # noqa: PLC0415

    if wanted is None:
        return None
    known = models.get_model_weights(name).__members__
    if wanted not in known:
        raise WorkloadError(f"'{name}' has no weights '{wanted}'; {suggest(wanted, known)}")
    return known[wanted]


def _classes(weights: Any) -> int:
    return _CLASSES if weights is None else len(weights.meta["categories"])


def _built(name: str, weights: Any, seed: int) -> nn.Module:
    from torchvision import models  # noqa: PLC0415

    explicit = {} if weights else _EXPLICIT.get(name, {})
    with seeded(seed):
        try:
            model: nn.Module = models.get_model(name, weights=weights, **explicit)
        except (OSError, RuntimeError) as error:  # no network, no space, a damaged file
            if weights is None:
                raise
            raise WorkloadError(
                f"the weights '{weights.name}' of '{name}' cannot be loaded ({error}); "
                "leave them out, or put the file where torch.hub.get_dir() says"
            ) from error
    return model


def _architecture(name: str, weights: Any) -> dict[str, Any]:
    """What makes torchvision build the model that `weights` fit, without loading them."""
    if weights is None:
        return _EXPLICIT.get(name, {})
    like: dict[str, Any] = {**_EXPLICIT.get(name, {}), "num_classes": _classes(weights)}
    if name.startswith("vit_"):
        like["image_size"] = weights.meta["min_size"][0]
    if name == "googlenet":
        like |= {"aux_logits": False, "transform_input": True}
    if name == "inception_v3":
        like |= {"transform_input": True}
    return like


def _on_meta(batch_size: int, side: int) -> list[tuple[Tensor, Tensor]]:
    shape = (batch_size, 3, side, side)
    labels = torch.empty(batch_size, dtype=torch.int64, device="meta")
    return [(torch.empty(shape, device="meta"), labels) for _ in range(_count(batch_size))]


def _batches(batch_size: int, side: int, classes: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randn((batch_size, 3, side, side), generator=generator),
            torch.randint(classes, (batch_size,), generator=generator),
        )
        for _ in range(_count(batch_size))
    ]


def _count(batch_size: int) -> int:
    return BATCHES if batch_size <= _LARGE_BATCH else 2
