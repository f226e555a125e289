"""For the reviewer: what is promised, how it is brought about and how it is counted."""

from fl_server.report.blocks import Block, Cell, Facts, Heading, Paragraph, Table
from fl_server.report.content.words import OBSERVERS, sources
from fl_server.report.document import Claim, Report
from fl_server.report.figures.curves import epsilon_delta, trade_off
from fl_server.report.figures.odds import ladder
from fl_server.report.numbers import rounded_up, scientific


def promises(document: Report) -> list[Block]:
    """The claims, the ladder of units, and the two curves of the first claim where it is stated."""
    main = document.claims[0]
    blocks: list[Block] = [
        Heading("What is promised, to whom, against whom"),
        Table(
            "Each promise holds for one unit against one observer. Epsilon is the worst case that the policy allows"
            " over a lifetime, rounded up.",
            ["Against", "Unit", "Promise", "Rests on"],
            [_claim(claim) for claim in document.claims],
            widths=[3, 4, 4, 7],
        ),
        ladder(document.claims),
        sources(document, "claims"),
    ]
    if main.stated:
        blocks += [
            Heading("How much the best attacker finds"),
            Paragraph(
                "An attacker who accepts more false alarms finds more. No attacker, whatever they know, does better"
                " than the curve."
            ),
            trade_off(main, document.audit.points if document.audit else []),
            Paragraph("A single epsilon is one point of a curve, on which every point holds."),
            epsilon_delta(main),
        ]
    return [*blocks, *_audit(document)]


def mechanism(document: Report) -> list[Block]:
    """The mechanism, the accounting and what choosing the settings cost."""
    facts, accounting, tuning = document.mechanism, document.accounting, document.tuning
    return [
        Heading("The mechanism"),
        Facts(
            [
                ("Method", facts.name),
                ("What is trained", facts.trainable_part),
                ("Parameters trained", str(facts.trained_parameters)),
                ("Sampler, declared", facts.sampler_declared),
                ("Sampler, actual", facts.sampler_actual),
                ("Denominator", facts.denominator),
                ("Source of randomness", facts.random_generator),
            ]
        ),
        Table(
            "Noise, by the unit that it protects",
            ["Unit", "Noise multiplier", "Clip norm", "Sampling rate", "Steps a round", "Steps in a lifetime"],
            [
                [
                    Cell(noise.unit),
                    Cell(f"{noise.noise_multiplier:g}"),
                    Cell(f"{noise.clip_norm:g}"),
                    Cell(f"{noise.sampling_rate:g}"),
                    Cell(str(noise.steps_per_round)),
                    Cell(str(noise.lifetime_steps)),
                ]
                for noise in facts.noise
            ],
            numeric=[1, 2, 3, 4, 5],
        ),
        sources(document, "mechanism"),
        Heading("How epsilon is counted"),
        Facts(
            [
                ("Accountant", accounting.accountant),
                ("Composition", accounting.composition),
                ("Why this delta", accounting.delta_reason),
                *_figures_of(document),
            ]
        ),
        Facts(
            [
                ("Settings were chosen on", tuning.data),
                ("What the choice cost", f"epsilon {rounded_up(tuning.charged_epsilon)}: {tuning.statement}"),
            ]
        ),
        sources(document, "accounting", "tuning"),
    ]


def _figures_of(document: Report) -> list[tuple[str, str]]:
    accounting = document.accounting
    if not document.claims[0].stated:
        return []
    rows = [
        (opinion.accountant, f"epsilon {rounded_up(opinion.epsilon)} ({opinion.difference:+.1%} of the claimed one)")
        for opinion in accounting.second_opinions
    ]
    rows.append(("Do they agree?", accounting.agreement))
    without = document.claims[0].epsilon_without_amplification
    if without is not None:
        rows.append(("Without amplification", f"epsilon {rounded_up(without)}"))
    return rows


def _claim(claim: Claim) -> list[Cell]:
    against = Cell(OBSERVERS[claim.observer].capitalize())
    unit = Cell(claim.unit.capitalize(), claim.adjacency)
    if not claim.stated or claim.epsilon is None or claim.delta is None:
        return [against, unit, Cell("no guarantee", broken=True), Cell(claim.assumption)]
    promise = f"epsilon {rounded_up(claim.epsilon)}, delta {scientific(claim.delta)}"
    if claim.mu is not None:
        promise += f", mu {rounded_up(claim.mu)}"
    status = "simulated, enforced by no device" if claim.status == "simulated" else "holds"
    overlap = "Recordings do not overlap." if claim.overlap == 1 else f"A frame lies in {claim.overlap} recordings."
    covers = "every published checkpoint" if claim.covers_all_checkpoints else "the final model only"
    note = f"{claim.contribution_cap}. {overlap} Covers {covers}."
    return [against, unit, Cell(promise, status), Cell(claim.assumption, note)]


def _audit(document: Report) -> list[Block]:
    audit = document.audit
    if audit is None:
        return [Heading("Audit"), Paragraph("No audit of the noise was carried out.")]
    return [
        Heading("Audit"),
        Paragraph("An attack with planted recordings shows what is spent at least; it cannot show that no more is."),
        Facts(
            [
                ("Carried out", audit.date.isoformat()),
                ("Method", audit.method),
                ("Planted recordings", str(audit.canaries)),
                ("Estimate of mu", f"{audit.mu:.2f}, from {audit.mu_low:.2f} to {audit.mu_high:.2f}"),
                ("Epsilon, at least", f"{audit.epsilon_low:.2f}"),
                ("Settings", audit.settings),
                ("What it cannot show", "; ".join(audit.limits)),
            ]
        ),
    ]
