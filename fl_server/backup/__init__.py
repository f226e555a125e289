"""A whole federation in one file, and back again."""
