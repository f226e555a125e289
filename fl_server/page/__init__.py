"""The operator's page: read-only, on loopback, behind a token, with bands in place of counts of devices."""
