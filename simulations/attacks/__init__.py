"""Attacks on the product's own code: how much an upload gives away, measured against what is claimed."""
