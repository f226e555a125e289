"""The student's page: what this device does, knows, keeps and has sent, with every switch. On loopback only."""
