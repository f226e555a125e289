"""Policy, per-sequence gradients, noise, accounting, claims and the ledger."""
