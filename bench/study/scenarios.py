"""What the study looks at: equal sides and known slow-downs, alone and beside noisy neighbours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """One setting.

    Attributes:
        fault: what slows the head: `none`, a phase, or `total` for all phases alike.
        nominal: by how much a whole step is slower, as a fraction.
        neighbours: workers of stress-ng beside the gate.
        lives: how many of them a trace has.
    """

    fault: str
    nominal: float
    neighbours: int
    lives: int

    @property
    def name(self) -> str:
        """As files and tables call it."""
        load = "idle" if self.neighbours == 0 else f"beside-{self.neighbours}"
        if self.fault == "none":
            return f"equal-{load}"
        return f"{self.fault}-{100 * self.nominal:g}-{load}"


TRACES = (
    Scenario("none", 0.0, 2, 50),
    Scenario("none", 0.0, 1, 50),
    Scenario("total", 0.05, 2, 30),
    Scenario("total", 0.05, 1, 30),
    Scenario("none", 0.0, 0, 90),
    Scenario("total", 0.05, 0, 30),
    Scenario("total", 0.03, 0, 30),
    Scenario("total", 0.10, 0, 20),
    Scenario("backward", 0.05, 0, 25),
    Scenario("update", 0.05, 0, 25),
)
