"""For the reviewer: the study, the people, their data and their consent, and the legal gate."""

from fl_server.report.blocks import Block, Bullets, Facts, Heading, Paragraph, Table, cells
from fl_server.report.content.words import listed, recorded
from fl_server.report.document import Report


def study(document: Report) -> list[Block]:
    facts = document.study
    return [
        Heading("The study"),
        Facts(
            [
                ("Intended use", facts.intended_use),
                ("Prohibited uses", listed(facts.prohibited_uses)),
                ("Controller", recorded(facts.controller)),
                ("Investigator", recorded(facts.investigator)),
                ("Data protection officer", recorded(facts.data_protection_officer)),
                ("Regions", recorded(", ".join(facts.regions))),
                ("Ages", recorded(facts.ages)),
                ("Enrolled", facts.enrolled),
            ]
        ),
    ]


def trust(document: Report) -> list[Block]:
    facts = document.trust
    return [
        Heading("Who is trusted, and with what"),
        Table(
            "Everybody in the system",
            ["Who", "Sees", "Is relied on to"],
            [cells(actor.name, actor.sees, actor.trusted_to) for actor in facts.actors],
        ),
        Bullets(facts.assumptions),
        Facts(
            [
                (
                    "Secure sum",
                    "yes: the server sees only the sum"
                    if facts.secure_sum
                    else "no: the server sees each noised update",
                ),
                ("Collusion", facts.collusion),
            ]
        ),
    ]


def data_and_consent(document: Report) -> list[Block]:
    data, consent = document.data, document.consent
    return [
        Heading("Data"),
        Facts(
            [
                ("Source", data.source),
                ("Minimisation", listed(data.minimisation)),
                ("Resolution", data.resolution),
                ("Frames in a recording", str(data.frames_per_sequence)),
                ("Retention", data.retention),
                ("Encryption", data.encryption),
                ("Bystanders", data.bystanders),
            ]
        ),
        Heading("Consent"),
        Facts(
            [
                ("Scopes", ", ".join(consent.scopes)),
                ("Withdrawals", consent.withdrawals),
                ("Erasures", consent.erasures),
                ("Time an erasure took", recorded(consent.erasure_time)),
            ]
        ),
        Table(
            "Participants by state of consent; small counts are not shown",
            ["State", "Participants"],
            [cells(state, count) for state, count in consent.states.items()],
            numeric=[1],
        ),
    ]


def legal(document: Report) -> list[Block]:
    facts = document.legal
    blocks: list[Block] = [
        Heading("Purpose and legal gate"),
        Facts(
            [
                ("Runs as", facts.purpose),
                ("Data protection impact assessment", recorded(facts.dpia_reference)),
                *((f"Signed off by the {by.role}", f"{by.name}, {recorded(by.on)}") for by in facts.sign_offs),
            ]
        ),
    ]
    if not facts.gate:
        return [*blocks, Paragraph("A simulation with rendered faces: no question had to be answered.")]
    return [
        *blocks,
        Table(
            "What the operator answered; these answers are theirs and are not legal advice",
            ["Question", "Answer"],
            [cells(item.question, item.answer) for item in facts.gate],
        ),
        Table(
            "What the gate's rules say about these answers",
            ["Level", "What it says", "Source"],
            [cells(found.level, found.says, found.source) for found in facts.findings],
            widths=[1, 5, 5],
        ),
    ]
