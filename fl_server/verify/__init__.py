"""Checks a study's evidence offline. Imports nothing of training, transport or Flower."""
