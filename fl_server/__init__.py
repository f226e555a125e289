"""The operator's side: transport, enrolment, rounds, aggregation, checkpoints and the privacy report."""
