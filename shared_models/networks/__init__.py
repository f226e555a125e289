"""Frame encoders, temporal models, pooling and heads, by name."""
