"""The Flower ServerApp: rounds of a federation over whatever Grid it is given."""

from collections.abc import Callable

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fl_server.enrolment.registry import Device
from fl_server.federation import Federation


def server_app(federation: Federation, eligible: Callable[[], dict[int, Device]], last_round: int) -> ServerApp:
    """A ServerApp that runs `federation` until `last_round`; `eligible` names enrolled devices by node id."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        federation.run(grid, eligible, last_round)

    return app
