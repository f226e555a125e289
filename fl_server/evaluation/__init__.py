"""`fl-server evaluate`: one model, scored on the part of a data source that nothing was trained or chosen on."""
