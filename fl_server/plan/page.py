"""The plan as a page, drawn as HTML or PDF like the report."""

from fl_server.plan import pictures, words
from fl_server.plan.document import Plan, PlannedClaim
from fl_server.report.blocks import Block, Bullets, Facts, Heading, Page, Paragraph, Section, Table, cells
from fl_server.report.figures.odds import icon_array
from fl_server.report.numbers import rounded_up, scientific
from shared_models.privacy.odds import OUT_OF, Odds


def plan_page(plan: Plan) -> Page:
    """Costs first, in words and odds; then usefulness; then what would change both."""
    notices: list[Block] = [Paragraph(sentence, "alarm") for sentence in plan.warnings]
    if plan.legal:
        notices += [Paragraph("The legal gate says:"), Bullets(plan.legal)]
    return Page(
        overline="Plan of a study, before anyone is asked for consent",
        title=plan.title,
        badge="A plan: nobody has taken part",
        draft=True,
        notices=notices,
        sections=[
            Section("cost", "What it would cost those who take part", _cost(plan)),
            Section("worth", "What it would be worth", _worth(plan)),
            Section("change", "What would change it", _change(plan)),
        ],
        footer=f"Plan for study {plan.study}.",
    )


def _cost(plan: Plan) -> list[Block]:
    blocks: list[Block] = []
    if plan.headline is not None:
        right = plan.headline.costs[-1].right_of_100
        blocks += [
            Paragraph(words.odds_sentence(plan.headline), "lead"),
            icon_array(Odds(OUT_OF // 2, right, OUT_OF, 2 * right / OUT_OF - 1)),
        ]
    facts = [
        ("Lifetime cap", f"epsilon {rounded_up(plan.epsilon_cap)} at delta {scientific(plan.delta)}"),
        ("For", words.limited(plan)),
        ("It allows", words.cap_sentence(plan)),
        ("Noise multiplier", f"{plan.noise_multiplier:.4f}"),
        ("Steps a round", str(plan.steps)),
        ("Devices planned for", str(plan.devices)),
    ]
    blocks += [Facts(facts), pictures.budget(plan)]
    for claim in plan.claims:
        blocks += _claim(claim)
    return blocks


def _claim(claim: PlannedClaim) -> list[Block]:
    heading = Heading(f"One {claim.unit}, against {words.observers(claim)}")
    if not claim.costs:
        return [heading, Paragraph(f"No guarantee: {claim.assumption}.", "broken")]
    rows = [
        cells(
            str(cost.participations),
            str(cost.earliest_round),
            rounded_up(cost.epsilon),
            f"{cost.right_of_100} of {OUT_OF}",
        )
        for cost in claim.costs
    ]
    columns = ["Rounds taken part in", "By round", "Epsilon", "The best guesser is right"]
    return [
        heading,
        Table("At most, by rounds that a device takes part in", columns, rows, numeric=[1, 2, 3]),
        Paragraph(f"It stands on this: {claim.assumption}.", "note"),
    ]


def _worth(plan: Plan) -> list[Block]:
    if not plan.utility:
        return [Paragraph(plan.utility_source)]
    columns, rows = words.utility_rows(plan)
    sizes = [cells(f"{target.epsilon:g}", words.smallest_size(target)) for target in plan.targets]
    expected = words.scores(plan)
    return [
        *([Paragraph(f"Average recall: *{expected}*.", "lead")] if expected else []),
        Paragraph(f"Simulated: {plan.utility_source}"),
        pictures.utility(plan),
        Table(
            "Average recall of simulated studies: mean over the seeds (worst)",
            columns,
            [cells(*row) for row in rows],
            numeric=list(range(1, len(columns))),
        ),
        Table(
            "Fewest devices with which an epsilon is worth asking for: from there on every simulated study improved"
            " the model",
            ["Epsilon", "Devices in a round"],
            sizes,
            numeric=[1],
        ),
    ]


def _change(plan: Plan) -> list[Block]:
    return [
        Paragraph(
            "One setting is changed at a time, the others stay. The number of devices changes no epsilon: nothing is"
            " claimed from not knowing who takes part."
        ),
        Table(
            f"Over a lifetime, for {words.limited(plan)}",
            ["With", "Epsilon", "Within the cap", "Expected average recall"],
            [cells(*words.change_row(change)) for change in plan.changes],
            numeric=[1, 2, 3],
        ),
    ]
