"""Who takes part in a simulation, with which sequences, and on whom the result is scored."""

from simulations.populations.dealt import deal, populate, scheme_of
from simulations.populations.plan import BY_SUBJECT, Plan, Population, seen_in_pretraining

__all__ = ["BY_SUBJECT", "Plan", "Population", "deal", "populate", "scheme_of", "seen_in_pretraining"]
