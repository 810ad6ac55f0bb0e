"""Trainable parameters that are not trained: not listed, not updated, without a gradient."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from bench.audit.causes.depending import flat_findings, standing_findings
from bench.audit.causes.severed import has_no_graph, severed_findings
from bench.audit.causes.words import finding, listed, module_code, parameters_code, verb
from bench.audit.updates import around_updates, groups_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import nn

    from bench.audit.causes.laboratory import Laboratory
    from bench.audit.observation import Observation, Trained
    from bench.audit.subject import Subject
    from bench.records import Finding
    from bench.rules import Severity

_LARGER = (1e6, 1e12)
_OFTEN = 3
"""Updates after which zeros, or a rate of 0, are no accident of the first step."""


def untrained_findings(lab: Laboratory, seen: Observation) -> list[Finding]:
    """What is amiss with the trainable part."""
    by_hand = any(map(_trains_by_hand, seen.trained.values()))
    if not seen.backward and seen.raised is None and not by_hand:
        return [_no_backward(list(seen.trained))]
    if not seen.steps and not has_no_graph(seen.raised):
        return []  # the step that raised says it
    found: list[Finding] = []
    off = [n for n, t in seen.trained.items() if not t.flag and not _trains(t)]
    if off:
        found.append(_flag_off(lab, off, seen))
    rest = {n: t for n, t in seen.trained.items() if n not in off}
    replaced = [n for n, t in rest.items() if t.replaced and not t.listed_now]
    if replaced:
        found.append(_replaced(replaced, min(rest[n].replaced or 1 for n in replaced)))
    rest = {n: t for n, t in rest.items() if n not in replaced}
    unlisted = [n for n, t in rest.items() if not t.listed and not t.moved]
    if unlisted:
        found.append(_unlisted(lab, unlisted, rest))
    # What is trained without any backward pass has no graph that could be cut.
    graph = seen.backward or not by_hand
    cut = [n for n, t in rest.items() if graph and t.listed and not t.arrived]
    found += severed_findings(lab, cut, seen)
    flat = [n for n, t in rest.items() if t.zeros >= _OFTEN and not t.applied and not t.dropped]
    if any(trained.applied for trained in seen.trained.values()):
        found += flat_findings(lab, _not_cancelled(flat, rest), seen)
    elif flat and not any(trained.moved for trained in seen.trained.values()):
        found += standing_findings(lab, flat, seen)
    waiting = [n for n, t in rest.items() if t.arrived and t.listed and not t.moved]
    found += _not_updated(lab, waiting, seen)
    return found


def _not_cancelled(names: Sequence[str], among: Mapping[str, Trained]) -> list[str]:
    """Those of `names` that are matrices, or beside which their module has no other in `among`.

    The gradient of a bias may be zero because its terms cancel, as that of a critic's last one.
    """
    others = {name.rpartition(".")[0] for name in among if name not in names}
    return [name for name in names if among[name].dims > 1 or name.rpartition(".")[0] not in others]


def _trains(trained: Trained) -> bool:
    return trained.moved or trained.arrived


def _trains_by_hand(trained: Trained) -> bool:
    """Whether it has a new gradient, or moved by something else than one left from before."""
    return trained.arrived or (trained.moved and not trained.applied)


def _no_backward(names: Sequence[str]) -> Finding:
    return finding(
        "no-backward",
        names,
        "no step ran a backward pass",
        "without loss.backward() (or torch.autograd.grad) nothing gets a gradient",
        "loss.backward()  # before optimizer.step()",
    )


def _flag_off(lab: Laboratory, names: Sequence[str], seen: Observation) -> Finding:
    @contextmanager
    def switched_on(_: Subject, model: nn.Module) -> Iterator[None]:
        for name in names:
            model.get_parameter(name).requires_grad_(True)
        yield

    lab.told("again with requires_grad on")
    again = lab.run(max(1, min(2, seen.steps)), switched_on)
    early = again.raised is not None and again.steps < min(2, seen.steps)
    came = [name for name in names if again.trained[name].arrived]
    arrives = "the gradient arrives" if came else "no gradient arrives either"
    return finding(
        "flag-off",
        names,
        f"{listed(names)} {verb(names, 'has', 'have')} requires_grad off and "
        f"{verb(names, 'is', 'are')} not among what is frozen",
        "nothing with requires_grad off gets a gradient",
        f"for p in {_code(lab, names)}: p.requires_grad_(True)",
        decided_by="" if early and not came else f"with requires_grad on, {arrives}",
    )


def _code(lab: Laboratory, names: Sequence[str]) -> str:
    if len(names) > 3:
        roots = {name.rpartition(".")[0] for name in names}
        if len(roots) == 1:
            return f"{module_code(roots.pop())}.parameters()"
    return parameters_code(names, lab.meant.partition)


def _replaced(names: Sequence[str], since: int) -> Finding:
    return finding(
        "parameter-replaced",
        names,
        f"{listed(names)} {verb(names, 'is another tensor', 'are other tensors')} since step "
        f"{since}, and no optimizer holds that one",
        "a step put a new parameter in its place; the optimizer goes on with the old one",
        "with torch.no_grad(): parameter.copy_(new_values)  # instead of assigning a new one",
        since_step=since,
    )


def _unlisted(lab: Laboratory, names: Sequence[str], trained: dict[str, Trained]) -> Finding:
    arrived = any(trained[name].arrived for name in names)
    gets = (
        f"{verb(names, 'gets', 'get')} a gradient"
        if arrived
        else f"{verb(names, 'has', 'have')} requires_grad on"
    )
    asked = "" if lab.meant.declared else "; is it meant to be frozen, or to be trained?"
    code = _code(lab, names)
    add = f"optimizer.add_param_group({{'params': {code}}})"
    if not lab.meant.declared:
        add = f"for p in {code}: p.requires_grad_(False)  # if frozen; otherwise {add}"
    return finding(
        "unfrozen-unlisted",
        names,
        f"{listed(names)} {gets} and {verb(names, 'is', 'are')} in no optimizer{asked}",
        "an optimizer only moves what it was given when it was made, or added later",
        add,
        severity="error" if lab.meant.declared or len(names) == len(trained) else "warning",
    )


def _not_updated(lab: Laboratory, names: Sequence[str], seen: Observation) -> list[Finding]:
    """Those that were given to an update with a gradient, or never given to any."""
    never = [name for name in names if not seen.trained[name].offered]
    found = []
    if never:
        found.append(
            finding(
                "not-updated",
                never,
                f"{listed(never)} {verb(never, 'gets', 'get')} a gradient, and the optimizer "
                f"ran no update in "
                f"{seen.steps} steps",
                "a gradient without optimizer.step() changes nothing",
                "optimizer.step()  # of the optimizer that holds it",
            )
        )
    lost = [n for n in names if _is_lost_on_the_way(seen.trained[n])]
    if lost:
        found.append(_lost_on_the_way(lost))
    given = [n for n in names if seen.trained[n].applied and _is_felt(seen, n)]
    if given:
        alike = [n for n in names if seen.trained[n].applied and n not in given]
        found += _moved_by_more(lab, given, alike, seen)
    still = [n for n in names if n not in given and _at_rate_zero(seen.trained[n])]
    warming = [n for n in still if seen.trained[n].warming]
    if warming and seen.steps >= _OFTEN:
        found.append(_not_yet_warm(warming, seen.steps))
    still = [n for n in still if n not in warming]
    if still and lab.meant.declared:
        found.append(_rate_zero(still))
    elif still and not any(trained.moved for trained in seen.trained.values()):
        found.append(_rate_zero(still, "warning"))  # nobody means to train nothing at all
    return found


def _is_lost_on_the_way(trained: Trained) -> bool:
    """Whether backward brings it a gradient, and no update finds one."""
    comes = trained.dropped and trained.non_finite is None
    return comes and not trained.applied and trained.rate != 0


def _lost_on_the_way(names: Sequence[str]) -> Finding:
    return finding(
        "not-updated",
        names,
        f"{listed(names)} {verb(names, 'gets', 'get')} a gradient from backward, and "
        f"{verb(names, 'has', 'have')} none, or zeros, at every update",
        "what stands between backward and the update drops the gradient",
        "optimizer.zero_grad(); loss.backward(); optimizer.step()  # in this order",
    )


def _is_felt(seen: Observation, name: str) -> bool:
    """Whether its gradient is more than the rounding of gradients that cancel out.

    The bias in front of a BatchNorm and that of attention's keys have a gradient of zero, which
    arrives as the noise of the sum.
    """
    trained = seen.trained[name]
    eps = torch.finfo(trained.dtype).eps if trained.dtype is not None else 1e-7
    noise = 64 * eps if eps < 1e-4 else 4 * eps
    return trained.largest > noise * seen.largest_gradient


def _moved_by_more(
    lab: Laboratory, names: Sequence[str], alike: Sequence[str], seen: Observation
) -> list[Finding]:
    """Whether larger learning rates move `names`; `alike` have gradients that may be noise."""
    left = list(names)
    found, ended = [], False
    for factor in _LARGER:
        if not left:
            break
        lab.told(f"again with learning rates times {factor:.0e}")
        again = lab.run(max(1, min(3, seen.steps)), _faster(factor))
        if again.raised is not None and again.steps < min(3, seen.steps):
            ended = True
            break
        lost = [name for name in left if again.trained[name].moved]
        if lost:
            lost += [name for name in alike if again.trained[name].moved]
        if lost:
            found.append(_lost(lost, factor))
            left = [name for name in left if name not in lost]
    if left:
        found.append(
            finding(
                "not-updated",
                left,
                f"{listed(left)} {verb(left, 'gets', 'get')} a gradient, "
                f"{verb(left, 'is', 'are')} in an optimizer, and {verb(left, 'does', 'do')} not "
                f"move",
                "the optimizer's update leaves it as it is: something puts it back, or hides it "
                "from the update",
                "# compare it before and after optimizer.step(), and after the rest of the step",
                decided_by=""
                if ended
                else "with learning rates a million times larger it does not move either",
            )
        )
    return found


def _faster(factor: float) -> Any:
    @contextmanager
    def removed(subject: Subject, _: nn.Module) -> Iterator[None]:
        old: list[tuple[dict[str, Any], Any]] = []

        def before(optimizer: Any) -> None:
            for group in groups_of(optimizer):
                if group.get("lr") is not None:
                    old.append((group, group["lr"]))
                    group["lr"] = float(group["lr"]) * factor

        def after(_: Any) -> None:
            for group, lr in old:
                group["lr"] = lr
            old.clear()

        with around_updates(subject.optimizers, before, after):
            yield

    return removed


def _lost(names: Sequence[str], factor: float) -> Finding:
    return finding(
        "lost-to-rounding",
        names,
        f"{listed(names)} {verb(names, 'gets', 'get')} a gradient and "
        f"{verb(names, 'is', 'are')} updated, and not one bit changes",
        "its update is smaller than the spacing of numbers at its values, so it is rounded away",
        "model.float()  # keep weights in float32 and compute under torch.autocast",
        decided_by=f"with a learning rate {factor:.0e} times as large it moves",
    )


def _at_rate_zero(trained: Trained) -> bool:
    return trained.offered and not trained.applied and trained.rate == 0


def _not_yet_warm(names: Sequence[str], steps: int) -> Finding:
    return finding(
        "not-updated",
        names,
        f"{listed(names)} {verb(names, 'gets', 'get')} a gradient, and a scheduler kept its "
        f"learning rate at 0 in all "
        f"{steps} steps",
        "an update at a learning rate of 0 changes nothing; the schedule starts there",
        "print(scheduler.get_last_lr())  # after a step; audit more --steps if it rises later",
        severity="warning",
    )


def _rate_zero(names: Sequence[str], severity: Severity = "error") -> Finding:
    return finding(
        "not-updated",
        names,
        f"{listed(names)} {verb(names, 'gets', 'get')} a gradient, and the learning rate is 0",
        "an update at a learning rate of 0 changes nothing",
        "for group in optimizer.param_groups: group['lr'] = 1e-3  # those that are to be trained",
        severity=severity,
    )
