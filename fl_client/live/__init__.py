"""What the model makes of the student, for the student alone: in memory, never stored, never sent."""
