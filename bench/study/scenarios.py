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
    Scenario("none", 0.0, 1, 40),
    Scenario("total", 0.05, 2, 25),
    Scenario("total", 0.05, 1, 25),
    Scenario("none", 0.0, 0, 70),
    Scenario("total", 0.05, 0, 20),
    Scenario("total", 0.03, 0, 20),
    Scenario("total", 0.10, 0, 12),
    Scenario("backward", 0.05, 0, 15),
    Scenario("update", 0.05, 0, 15),
)


@dataclass(frozen=True)
class Repeated:
    """A scenario that real gates are run on, so many times.

    Attributes:
        scenario: the setting; its `lives` don't matter here.
        margin: of a whole step, as the gate is told.
        times: how many gates.
    """

    scenario: Scenario
    margin: float
    times: int


GATES = (
    Repeated(Scenario("none", 0.0, 0, 0), 0.03, 12),
    Repeated(Scenario("none", 0.0, 1, 0), 0.03, 6),
    Repeated(Scenario("none", 0.0, 2, 0), 0.03, 4),
    Repeated(Scenario("total", 0.05, 0, 0), 0.02, 5),
    Repeated(Scenario("total", 0.10, 0, 0), 0.03, 4),
    Repeated(Scenario("layer", 0.0, 0, 0), 0.03, 2),
    Repeated(Scenario("log", 0.0, 0, 0), 0.03, 2),
    Repeated(Scenario("total", 0.05, 2, 0), 0.02, 2),
    Repeated(Scenario("total", 0.10, 1, 0), 0.03, 2),
    Repeated(Scenario("layer", 0.0, 2, 0), 0.03, 1),
    Repeated(Scenario("backward", 0.05, 0, 0), 0.03, 1),
    Repeated(Scenario("update", 0.05, 0, 0), 0.03, 1),
    Repeated(Scenario("total", 0.20, 0, 0), 0.03, 1),
    Repeated(Scenario("total", 0.03, 0, 0), 0.03, 1),
)
