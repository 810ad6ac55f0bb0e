"""Names and figures of findings, as sentences and as code that can be pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.names import printable
from bench.records import Finding
from bench.records.audit import common_module
from bench.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.records import Moved
    from bench.rules import Severity
    from strategies import Partition


_COUNTER = "num_batches_tracked"


def finding(
    rule: str,
    where: Iterable[str],
    what: str,
    why: str,
    mend: str,
    *,
    severity: Severity | None = None,
    decided_by: str = "",
    moved: Sequence[Moved] = (),
    since_step: int | None = None,
    figures: dict[str, float] | None = None,
) -> Finding:
    """A finding of a rule, at the rule's severity unless another is given."""
    return Finding(
        rule=rule,
        severity=severity or RULES[rule].severity,
        where=list(where),
        what=what,
        why=why,
        mend=mend,
        decided_by=decided_by,
        moved=list(moved),
        since_step=since_step,
        figures=figures or {},
    )


def listed(names: Sequence[str]) -> str:
    """`'a'`, `'a' and 'b'`, or `'a' and 7 more`."""
    shown = [f"'{printable(name)}'" for name in names]
    if len(shown) <= 2:
        return " and ".join(shown)
    return f"{shown[0]} and {len(shown) - 1} more"


def verb(names: Sequence[object], one: str, several: str) -> str:
    """The form of a verb that goes with so many names."""
    return one if len(names) == 1 else several


def by_how_much(moved: Sequence[Moved]) -> str:
    """The largest difference in words; of a counter only where nothing else has moved."""
    moved = [one for one in moved if not one.name.endswith(_COUNTER)] or moved
    known = [one.max_abs for one in moved if one.max_abs is not None]
    if not known:
        if any(one.l2 is None and one.relative is None for one in moved):
            return "by an amount that is unknown or not finite"
        return "to NaN or infinity"
    if not max(known):
        return "with its numbers as they were: to another dtype, or in the sign of a zero"
    relative = [one.relative for one in moved if one.relative is not None]
    share = f" (up to {max(relative):.2g} of a norm)" if relative else ""
    return f"by up to {max(known):.2g}{share}"


def module_code(name: str) -> str:
    """The module of this name as an expression: `model.layer1`, or by `get_submodule`."""
    if not name:
        return "model"
    parts = name.split(".")
    if all(part.isidentifier() for part in parts):
        return f"model.{name}"
    if all(part.isidentifier() or part.isdigit() for part in parts):
        return "model" + "".join(f"[{p}]" if p.isdigit() else f".{p}" for p in parts)
    return f"model.get_submodule({name!r})"


def parameters_code(names: Sequence[str], partition: Partition) -> str:
    """An expression for these parameters: those of a module, or by name."""
    module = common_module(list(names)) if len(names) > 1 else names[0].rpartition(".")[0]
    inside = [name for name in partition.frozen if name.startswith(f"{module}.")]
    outside = [name for name in partition.trainable if name.startswith(f"{module}.")]
    if module and not outside and len(inside) >= len(names):
        return f"{module_code(module)}.parameters()"
    if len(names) <= 3:
        return "[" + ", ".join(f"model.get_parameter({name!r})" for name in names) + "]"
    roots = tuple(dict.fromkeys(_root(name, partition) for name in names))
    if all(roots):
        starts = ", ".join(repr(f"{root}.") for root in roots)
        return f"[p for n, p in model.named_parameters() if n.startswith(({starts},))]"
    ends = tuple(dict.fromkeys(name.rpartition(".")[2] for name in names))
    return f"[p for n, p in model.named_parameters() if n.endswith({ends!r})]"


def modules_code(names: Sequence[str], partition: Partition, call: str) -> str:
    """A line that calls `call` on the maximal frozen modules that hold these tensors."""
    roots = tuple(dict.fromkeys(root for name in names if (root := _root(name, partition))))
    if len(roots) == 1:
        return f"{module_code(roots[0])}.{call}"
    if not roots:
        return f"{module_code(common_module(list(names)).rpartition('.')[0])}.{call}"
    if len(roots) <= 3:
        return "; ".join(f"{module_code(root)}.{call}" for root in roots)
    module = common_module(list(roots))
    outside = [name for name in partition.trainable if name.startswith(f"{module}.")]
    if module and not outside:
        return f"{module_code(module)}.{call}"
    return f"[model.get_submodule(n).{call} for n in {roots!r}]"


def _root(name: str, partition: Partition) -> str:
    inside = [root for root in partition.frozen_modules if name.startswith(f"{root}.")]
    return inside[0] if inside else ""
