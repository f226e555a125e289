"""`python -m fl_server.verify BUNDLE`: the same as `fl-server verify`, with nothing of training or Flower installed."""

from pathlib import Path
from typing import Annotated

import typer

from fl_server.verify.show import verify_and_show
from shared_models import commandline

app = commandline.program("Checks a bundle of evidence offline.")


@app.command(epilog="Example: python -m fl_server.verify bundle.zip")
def main(
    bundle: Annotated[Path, typer.Argument(help="A file that `fl-server report --format bundle` wrote.")],
    key: Annotated[str | None, typer.Option(help="The server's public key in hex, from elsewhere.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Check a bundle of evidence: chains, signatures, receipts, and that every figure follows."""
    verify_and_show(bundle, key, as_json)


if __name__ == "__main__":
    commandline.run(app)
