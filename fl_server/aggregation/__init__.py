"""What becomes of a round's updates: checked one by one, combined into one change, turned into a step of the model."""

from fl_server.aggregation.checker import Checker, Expected
from fl_server.aggregation.mean import StreamingMean
from fl_server.aggregation.optimisers import OptimiserState, ServerOptimiser, optimiser_by_settings
from fl_server.aggregation.rules import Rule, rule_by_settings

__all__ = [
    "Checker",
    "Expected",
    "OptimiserState",
    "Rule",
    "ServerOptimiser",
    "StreamingMean",
    "optimiser_by_settings",
    "rule_by_settings",
]
