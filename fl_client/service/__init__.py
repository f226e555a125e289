"""`fl-client run` at every login: a systemd user unit, a launchd agent or a Windows scheduled task."""
