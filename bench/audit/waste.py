"""What a frozen part costs that it need not: gradients, optimizer state, a backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.audit.amounts import sized
from bench.audit.pasteable import for_each, parameters_of, said
from bench.audit.raised import NotRunAgainError, told
from bench.audit.saving import saving
from bench.audit.updates import groups_of, members
from bench.measure.memory import storage_bytes
from bench.measure.unwrapped import unwrapped
from bench.records import Finding
from bench.rules import RULES
from strategies import distinct, find_tensor
from strategies.boundary import tensors_in

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bench.audit.subject import Subject, World
    from strategies import Partition

RULES_OF_WASTE = (
    "gradient-pile-up",
    "wasted-gradients",
    "state-for-frozen",
    "wasted-backward",
)
_STEPS = 4  # a pile shows in two; the others are for gradients that are cleared every other step


def wasted(world: World, partition: Partition) -> list[Finding]:
    """What is computed and kept for the frozen part and could be saved.

    Nothing is run unless something can be wasted: a frozen parameter that requires a gradient,
    has one, or has a state in an optimizer.

    Args:
        world: is begun up to three times.
        partition: of its model.

    Raises:
        NotRunAgainError: a step raised.
    """
    subject = world.begin()
    model = unwrapped(subject.model)
    frozen = {name: find_tensor(model, name) for name in partition.frozen}
    require = [name for name, tensor in frozen.items() if tensor.requires_grad]
    kept = any(tensor.grad is not None for tensor in frozen.values())
    if not require and not kept and not _state_of(subject, frozen):
        return []
    held = _watched(subject, model, partition)
    findings = [*_of_gradients(held, model), *_of_state(held, model)]
    if not require:
        return findings
    place, mend = said(require, model), for_each(model, require, "requires_grad_(False)")
    del subject, model, frozen  # the next beginning may need their memory
    return findings + saving(world, require, place, mend)


@dataclass
class _Held:
    """What was seen in a few steps; names are of frozen parameters.

    Attributes:
        received: got a gradient from a backward pass.
        bytes: of each kept gradient.
        piled: the norm of each gradient that no step cleared, after the first and the last step.
        state: bytes of the optimizer's state of each.
        holders: optimizers that hold some of that state.
        listed: are in an optimizer.
    """

    received: list[str]
    bytes: dict[str, int]
    piled: dict[str, tuple[float, float]]
    state: dict[str, int]
    holders: list[Any]
    listed: set[str]


def _watched(subject: Subject, model: nn.Module, partition: Partition) -> _Held:
    """Train a few steps and see what gradients are added to."""
    names = {id(find_tensor(model, name)): name for name in partition.frozen}
    parameters = distinct(model.parameters())
    step = 0
    received: dict[str, None] = {}
    added: dict[int, bool] = {}  # by parameter: whether no gradient found an empty place since
    first: dict[str, float] = {}

    def seen(parameter: Tensor) -> None:
        if id(parameter) in names:
            received[names[id(parameter)]] = None
        if step:
            empty = parameter.grad is None or not bool(parameter.grad.any())
            added[id(parameter)] = added.get(id(parameter), True) and not empty

    hooks = [
        parameter.register_hook(lambda _, parameter=parameter: seen(parameter))  # type: ignore[no-untyped-call]
        for parameter in parameters
        if parameter.requires_grad
    ]
    try:
        for step in range(_STEPS):
            subject.step()
            if step == 0:
                first = {n: _norm(find_tensor(model, n)) for n in partition.frozen}
    except Exception as error:  # of the user's: these may be more steps than were asked for
        raise NotRunAgainError(f"step {step + 1} raised {told(error)}") from error
    finally:
        for hook in hooks:
            hook.remove()
    frozen = {name: find_tensor(model, name) for name in partition.frozen}
    # Gradients that are accumulated over more steps than these pile up in the trainable part too.
    cleared = any(not added.get(id(p), True) for p in parameters if id(p) not in names)
    piled = {
        name: (first[name], _norm(tensor))
        for name, tensor in frozen.items()
        if cleared and added.get(id(tensor), False) and tensor.grad is not None
    }
    sizes = {
        name: tensor.nbytes if tensor.grad is None else tensor.grad.nbytes
        for name, tensor in frozen.items()
        if tensor.grad is not None or name in received
    }
    state = _state_of(subject, frozen)
    holders = [o for o in subject.optimizers if _state_of_one(o, frozen)]
    held = {id(parameter) for o in subject.optimizers for parameter, _ in members(o)}
    listed = {name for name, tensor in frozen.items() if id(tensor) in held}
    return _Held(list(received), sizes, piled, state, holders, listed)


def _norm(tensor: Tensor) -> float:
    return float("nan") if tensor.grad is None else float(tensor.grad.detach().float().norm())


def _state_of(subject: Subject, frozen: dict[str, Tensor]) -> dict[str, int]:
    """Bytes of the state of frozen parameters, by name, where there is any."""
    sums: dict[str, int] = {}
    for optimizer in subject.optimizers:
        for name, size in _state_of_one(optimizer, frozen).items():
            sums[name] = sums.get(name, 0) + size
    return sums


def _state_of_one(optimizer: object, frozen: dict[str, Tensor]) -> dict[str, int]:
    state = getattr(optimizer, "state", None)
    if not isinstance(state, dict):
        return {}
    found = {name: state[tensor] for name, tensor in frozen.items() if tensor in state}
    sizes = {
        name: storage_bytes(tensors_in(dict(kept) if isinstance(kept, dict) else kept))
        for name, kept in found.items()
    }
    return {name: size for name, size in sizes.items() if size}


def _of_gradients(held: _Held, model: nn.Module) -> list[Finding]:
    findings = []
    if held.piled:
        names = list(held.piled)
        size = sum(held.bytes[name] for name in names)
        start, end = max(held.piled.values(), key=lambda norms: norms[1])
        findings.append(
            Finding(
                rule="gradient-pile-up",
                severity=RULES["gradient-pile-up"].severity,
                where=names,
                what=f"the gradients of {said(names, model)} are added to in every step and "
                f"never cleared: the largest norm went from {start:.3g} to {end:.3g} in "
                f"{_STEPS} steps ({sized(size)} are kept)",
                why="they require gradients, and no optimizer holds them whose zero_grad() would "
                "clear them"
                if not held.listed.intersection(names)
                else "they require gradients, and nothing in the step clears them",
                mend=for_each(model, names, "requires_grad_(False)"),
                figures={"gradient_bytes": size, "first_norm": start, "last_norm": end},
            )
        )
    names = [name for name in held.bytes if name not in held.piled]
    if names:
        size = sum(held.bytes[name] for name in names)
        computed = [name for name in names if name in held.received]
        findings.append(
            Finding(
                rule="wasted-gradients",
                severity=RULES["wasted-gradients"].severity,
                where=names,
                what=f"{sized(size)} of gradients are "
                f"{'computed and kept' if computed else 'kept'} for {said(names, model)}",
                why="requires_grad is on, so every backward pass makes a gradient as large as the "
                "parameter"
                if computed
                else "they are left over from before the freeze: nothing renews or clears them",
                mend=for_each(model, names, "requires_grad_(False)")
                if computed
                else f"for p in {parameters_of(model, names)}: p.grad = None",
                figures={"gradient_bytes": size},
            )
        )
    return findings


def _of_state(held: _Held, model: nn.Module) -> list[Finding]:
    if not held.state:
        return []
    names, size = list(held.state), sum(held.state.values())
    holder = held.holders[0]
    kind = type(holder).__name__
    if type(holder).__module__.startswith("torch.optim."):
        kind = f"torch.optim.{kind}"
    rates = [group["lr"] for group in groups_of(holder) if group.get("lr")]
    rate = f", lr={float(rates[-1]):g}" if rates else ""
    on = [name for name in names if find_tensor(model, name).requires_grad]
    off = for_each(model, on, "requires_grad_(False)") + "; " if on else ""
    verb = "keeps" if len(held.holders) == 1 else "keep"
    off = "" if off.startswith("for ") else off  # a loop and another statement don't share a line
    return [
        Finding(
            rule="state-for-frozen",
            severity=RULES["state-for-frozen"].severity,
            where=names,
            what=f"{' and '.join(type(o).__name__ for o in held.holders)} {verb} {sized(size)} of "
            f"state for {said(names, model)}",
            why="it was given the frozen parameters as well and makes a state for each that has a "
            "gradient, or for all at once",
            mend=f"{off}optimizer = {kind}([p for group in optimizer.param_groups "
            f"for p in group['params'] if p.requires_grad]{rate})",
            figures={"state_bytes": size},
        )
    ]
