"""Puts the report's page together."""

import math

from fl_server.report.blocks import Block, Facts, Page, Paragraph, Section
from fl_server.report.content.evidence import evidence
from fl_server.report.content.people import people
from fl_server.report.content.promise import mechanism, promises
from fl_server.report.content.record import budget
from fl_server.report.content.results import results
from fl_server.report.content.study import data_and_consent, legal, study, trust
from fl_server.report.content.words import recorded
from fl_server.report.document import Claim, Report
from fl_server.report.numbers import moment, period
from shared_models.privacy.odds import OUT_OF, Odds

_DRAFTS = {
    "verified": "Draft",
    "not_verified": "Draft: the ledger has not been verified",
    "failed": "Draft: the ledger does not verify",
}


def report_page(document: Report) -> Page:
    """The whole report in blocks.

    The first claim is the one that the ledger counts. Where it is not stated, neither are the ledger's epsilons, the
    accountants' figures, the odds, nor any picture of them.
    """
    info = document.report
    final = info.status == "final"
    return Page(
        overline="Privacy-budget report for ethics review",
        title=document.study.title,
        badge="Final: the ledger is verified, the report signed" if final else _DRAFTS[document.ledger.verification],
        draft=not final,
        notices=_notices(document),
        sections=[people(document, odds_of(document.claims[0])), _review(document), evidence(document)],
        footer=f"Made by {info.generator} {info.generator_version} from one document, report schema"
        f" {info.schema_version}.",
    )


def odds_of(claim: Claim) -> Odds | None:
    """The odds of a claim from its advantage, right guesses rounded up; None where it is not stated."""
    if not claim.stated or claim.advantage is None:
        return None
    at_most = math.ceil(OUT_OF * (1 + claim.advantage) / 2)
    return Odds(by_coin=OUT_OF // 2, at_most=at_most, out_of=OUT_OF, advantage=claim.advantage)


def _notices(document: Report) -> list[Block]:
    info, blocks = document.report, []
    for alert in info.alerts:
        blocks.append(Paragraph(alert, "alarm"))
    if document.legal.purpose == "research simulation":
        with_what = " with synthetic data" if document.data.synthetic else ""
        filmed = (
            " Its operator declares that nobody was filmed: every face in it is rendered."
            if document.data.synthetic
            else ""
        )
        blocks.append(
            Paragraph(
                f"*This federation runs as a research simulation{with_what}.*{filmed} Nothing in this report is"
                " evidence about real students.",
                "notice",
            )
        )
    facts = Facts(
        [
            ("Report", f"{info.id}, made {moment(info.generated_at)}"),
            ("Covers", period(info.period_start, info.period_end)),
            ("Ethics reference", recorded(document.study.ethics_reference)),
        ]
    )
    return [*blocks, facts]


def _review(document: Report) -> Section:
    blocks = [
        *study(document),
        *promises(document),
        *budget(document),
        *mechanism(document),
        *trust(document),
        *data_and_consent(document),
        *results(document),
        *legal(document),
    ]
    return Section("review", "For the reviewer", blocks)
