"""The parts put together for one device: who may be asked, and whose labels capture gets."""

from collections.abc import Sized

from fl_client.consent import ConsentBook
from fl_client.labels.events import LabelSource, Together
from fl_client.labels.prober import Prober
from fl_client.labels.pseudo import PseudoLabels, Reader
from fl_client.settings import LabelSettings
from shared_models.data.labels import scheme_by_name
from shared_models.privacy.policy import Policy


def prober_for(policy: Policy, settings: LabelSettings, consent: ConsentBook, store: Sized) -> Prober:
    """Asks by the study's scheme while consent to capture and to store holds and the store has room for an answer."""
    policy_hash = policy.hash

    def allowed() -> bool:
        return consent.current().allows_keeping(policy_hash) and len(store) < policy.max_sequences

    return Prober(scheme_by_name(policy.scheme), settings, allowed)


def sources_for(
    policy: Policy, settings: LabelSettings, store: Sized, script: LabelSource, prober: Prober, reader: Reader | None
) -> LabelSource:
    """Every label that capture may store. `reader` is None where nothing is read live.

    The model's own labels take no more than half of the store, and never the seconds that a question is about.
    """
    if reader is None:
        return Together(script, prober)

    def hold() -> bool:
        return prober.asked() is not None or 2 * len(store) >= policy.max_sequences

    return Together(script, prober, PseudoLabels(reader, scheme_by_name(policy.scheme), settings, hold))
