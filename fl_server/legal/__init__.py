"""The legal gate: what an operator answers before people take part, and what the answers lead to."""
