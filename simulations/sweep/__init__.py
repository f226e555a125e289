"""`fl-sim sweep`: many simulated studies, one table of what they scored."""
