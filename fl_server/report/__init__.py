"""The privacy-budget report: one JSON document, and the pages drawn from it."""
