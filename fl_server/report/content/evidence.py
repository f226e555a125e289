"""The last part: what the figures rest on, for whoever checks them."""

from fl_server.report.blocks import Block, Facts, Heading, Paragraph, Section, Table, cells
from fl_server.report.document import Report
from fl_server.report.numbers import moment

_VERIFICATION = {"verified": "verified", "not_verified": "not verified", "failed": "failed"}


def evidence(document: Report) -> Section:
    """Checks of the ledger, hashes, versions, and where each figure comes from."""
    info, ledger = document.report, document.ledger
    signature = info.signature
    blocks: list[Block] = [
        Heading("The ledger"),
        Paragraph(
            "Every privacy event is one signed entry; each entry carries the hash of the one before it. Epsilon is not"
            " stored but computed again from the entries, so whoever holds the ledger can check every epsilon above:"
            " `fl-server verify BUNDLE` does so offline. It shows that the record is consistent. It cannot show that"
            " the noise was added."
        ),
        Facts(
            [
                ("Verification", _VERIFICATION[ledger.verification]),
                ("Checked", moment(ledger.verified_at)),
                ("Entries of the server", str(ledger.entries)),
                ("Rounds that were cut off", str(ledger.void_rounds)),
                ("Steps back to an earlier model", str(len(ledger.steps_back))),
                ("Entries of devices", str(ledger.device_entries)),
                ("Whole ledgers of devices", str(ledger.device_ledgers)),
                ("Receipts", str(ledger.receipts)),
                ("Hash of the last entry", ledger.chain_head),
            ]
        ),
        Table(
            "What was checked",
            ["Check", "Result", "Detail"],
            [cells(check.name, "holds" if check.passed else "fails", check.detail) for check in ledger.checks],
            widths=[5, 1, 6],
        ),
        Heading("The text that people agreed to"),
        Facts([("Hash of the consent text", document.consent.text_hash)]),
        Heading("What this report was made with"),
        Facts(
            [
                ("Report", info.id),
                ("Supersedes", info.supersedes or "no earlier report"),
                ("Schema", info.schema_version),
                ("Generator", f"{info.generator} {info.generator_version}"),
                ("Signed with key", signature.public_key if signature else "not signed: a draft"),
            ]
        ),
        Table(
            "Library versions",
            ["Library", "Version"],
            [cells(name, version) for name, version in document.mechanism.versions.items()],
        ),
        Heading("Where each figure comes from"),
        Table(
            "Fields of the report's document, and the record behind each",
            ["Field", "Record", "How it follows"],
            [cells(f"`{origin.field}`", origin.source, origin.how) for origin in document.provenance],
            widths=[6, 5, 5],
        ),
    ]
    return Section("evidence", "Evidence", blocks)
