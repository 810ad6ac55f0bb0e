"""What freezing is: one strategy a file, and the look-up that finds them."""

from strategies.partition import Partition, PartitionError, distinct, find_tensor
from strategies.roster import ROSTER, StrategyError, find, names
from strategies.strategy import Step, Strategy
from strategies.suggest import suggest

__all__ = [
    "ROSTER",
    "Partition",
    "PartitionError",
    "Step",
    "Strategy",
    "StrategyError",
    "distinct",
    "find",
    "find_tensor",
    "names",
    "suggest",
]
