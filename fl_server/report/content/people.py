"""The first page, for everyone who takes part."""

from fl_server.report.blocks import Block, Bullets, Heading, Pair, Paragraph, Section
from fl_server.report.content.words import OBSERVERS, UNITS
from fl_server.report.document import Report
from fl_server.report.figures.odds import icon_array
from shared_models.privacy.odds import Odds


def people(document: Report, odds: Odds | None) -> Section:
    """What leaves the laptop, what could be found out, what is not protected, how to leave."""
    blocks: list[Block] = [
        Pair(
            [Heading("What leaves the laptop"), Bullets(document.data.leaves_device)],
            [Heading("What never leaves it"), Bullets(document.data.stays_on_device)],
        ),
        Heading("What could be found out"),
        *_found_out(document, odds),
        Pair(
            [Heading("What is not protected"), Bullets(document.unprotected)],
            [Heading("How to leave"), Bullets(document.consent.how_to_leave, ordered=True)],
        ),
        Paragraph(
            "*Spent budget is never refunded.* Leaving stops everything that would still come; what was already sent"
            " cannot be called back."
        ),
    ]
    return Section("people", "For everyone who takes part", blocks)


def _found_out(document: Report, odds: Odds | None) -> list[Block]:
    main = document.claims[0]
    if odds is None:
        return [Paragraph(f"*There is no guarantee.* {main.assumption}", "lead")]
    blocks: list[Block] = [
        Paragraph(
            f"Suppose that {OBSERVERS[main.observer]} has to guess whether {UNITS[main.unit]} was used or not, and both"
            f" are equally likely. Tossing a coin is right {odds.by_coin} times in {odds.out_of}. With everything that"
            f" may ever be sent during the study, *the best guesser is right at most {odds.at_most} times in"
            f" {odds.out_of}*.",
            "lead",
        ),
        icon_array(odds),
    ]
    if main.status == "simulated":
        blocks.append(Paragraph("This figure comes from a simulation: no real device enforced it."))
    if main.unit != "participant":
        blocks.append(
            Paragraph(
                f"The promise is about {UNITS[main.unit]}. Many of them together say more about a person than one does."
            )
        )
    return blocks
