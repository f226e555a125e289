"""Synthetic moving faces, rendered from parameters."""
