"""Shows what was checked, and fails where a check did."""

from pathlib import Path

from rich.table import Table

from fl_server.verify.verify import verify
from shared_models.commandline import out, print_json
from shared_models.errors import VerificationError


def verify_and_show(path: Path, key: str | None, as_json: bool) -> None:
    """Prints a row for each check. Raises VerificationError, naming the check that failed."""
    done = verify(path, key)
    if as_json:
        print_json({"verified": done[-1].passed, "checks": [vars(check) for check in done]})
    else:
        table = Table(title=f"Checks of {path.name}", title_justify="left")
        for column in ("check", "result", "detail"):
            table.add_column(column)
        for check in done:
            table.add_row(check.name, "[green]holds[/]" if check.passed else "[bold red]fails[/]", check.detail)
        out.print(table)
    if not done[-1].passed:
        raise VerificationError(
            f"{path} does not verify",
            why=f"{done[-1].name}: {done[-1].detail}",
            fix="Do not rely on its report; docs/guide-auditor.md explains each check",
        )
    if not as_json:
        out.print("Everything holds. This shows that the record is consistent; it cannot show that noise was added.")
