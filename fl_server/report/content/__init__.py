"""What the report's page says, in blocks: the lay page first, the reviewer's part, the evidence last."""
