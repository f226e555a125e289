"""What server, devices and simulations must agree on: models, data, privacy rules, scores and the wire."""

import os

# Flower reports usage and asks for updates by default. Nothing here may call home, so both are off before it loads.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"
# gRPC would write its own lines about closed connections to standard error.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
