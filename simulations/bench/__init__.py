"""Measurements of the product's own code, as ratios inside one run."""
