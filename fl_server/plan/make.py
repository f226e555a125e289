"""Makes the plan from a federation's settings, its policy and a table of simulated studies."""

import math

from fl_server.legal.gate import findings
from fl_server.plan.costs import Variant, earliest_round, planned_claims, variants
from fl_server.plan.document import Change, Plan, PlannedUtility, Target
from fl_server.plan.utility import Expected, UtilityTable
from fl_server.plan.warnings import warnings_of
from fl_server.report.ledger_figures import main_mechanism
from fl_server.settings import Settings
from shared_models.privacy.accounting import epsilon_of
from shared_models.privacy.policy import Policy


def make_plan(settings: Settings, policy: Policy, studies: UtilityTable, devices: int) -> Plan:
    """`studies` are of the policy's model, label scheme and trainable part; `devices` take part in a round.

    The studies hide a sequence: where the policy hides a participant, they say nothing of it.
    """
    table = studies if policy.unit == "sequence" else UtilityTable([])
    near = table.at(devices, policy.epsilon)
    last_round = earliest_round(policy, policy.lifetime_rounds)
    mechanism = main_mechanism(policy)
    return Plan(
        study=settings.study.id,
        title=settings.study.title,
        unit=mechanism.unit,
        devices=devices,
        epsilon_cap=policy.epsilon,
        delta=policy.delta,
        noise_multiplier=mechanism.sigma,
        steps=policy.steps,
        lifetime_rounds=policy.lifetime_rounds,
        planned_rounds=settings.rounds.rounds,
        cap_in_round=last_round if last_round <= settings.rounds.rounds else None,
        claims=planned_claims(policy, devices),
        changes=[_change(policy, table, variant) for variant in variants(policy, devices)],
        utility=[_utility(measured) for measured in table.measured()],
        uar_expected=near.mean if near else None,
        uar_before=near.before if near else None,
        uar_without_noise=near.without_noise if near else None,
        uar_chance=near.chance if near else None,
        utility_source=table.source(),
        targets=[Target(epsilon=epsilon, smallest_study=table.smallest(epsilon)) for epsilon in table.epsilons()],
        warnings=list(warnings_of(policy, table, devices)),
        legal=[f"{finding.level}: {finding.sentence}" for finding in findings(settings.study)],
    )


def _change(policy: Policy, table: UtilityTable, variant: Variant) -> Change:
    epsilon = epsilon_of([variant.spend], policy.delta)
    expected = table.at(variant.devices, epsilon) if variant.trains_alike else None
    return Change(
        change=variant.words,
        epsilon=None if math.isinf(epsilon) else epsilon,
        within_cap=epsilon <= policy.epsilon,
        expected_uar=expected.mean if expected else None,
    )


def _utility(expected: Expected) -> PlannedUtility:
    return PlannedUtility(
        devices=expected.clients,
        epsilon=expected.epsilon,
        uar=expected.mean,
        uar_worst=expected.worst,
        uar_best=expected.best,
    )
