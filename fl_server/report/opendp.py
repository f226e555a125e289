"""An entry for the registry of differential privacy deployments, in the YAML form that the registry's data has.

Written as JSON with indentation, which is YAML too. The fields are those of the entries in OpenDP's public registry.
"""

import json
from typing import Any

from fl_server.report.document import Claim, Report


def registry_entry(document: Report) -> str:
    """The entry, a draft for the registry's maintainers; without a guarantee it has no privacy parameters."""
    main = document.claims[0]
    return json.dumps(
        {
            "url_slug": document.study.id,
            "status": "Draft",
            "tier": 3,
            "deployment": {
                "product": _product(document),
                "dp_flavor": _flavor(document, main),
                "privacy_loss": _loss(main),
                "model": _model(document),
                "accounting": {
                    "post_processing": "The mean of updates is added to the model; nothing after the noise costs more.",
                    "composition": document.accounting.composition,
                },
                "implementation": {
                    "pre_processing_eda_hyperparameter_tuning": f"{document.tuning.data}: {document.tuning.statement}",
                    "mechanisms": f"{document.mechanism.name}; {document.mechanism.random_generator}",
                    "justification": document.utility_bias.epsilon_choice,
                },
                "resources": {"sources": f"Report {document.report.id}", "registry_authors": []},
            },
        },
        indent=2,
        ensure_ascii=False,
    )


def _product(document: Report) -> dict[str, Any]:
    study, end = document.study, document.report.period_end
    return {
        "name": study.title,
        "data_curators": [study.controller] if study.controller else [],
        "intended_use": study.intended_use,
        "data_product_type": "Machine learning model",
        "data_product_region": ", ".join(study.regions) or "not recorded",
        "description": "An emotion recognition model trained on learners' own computers by federated learning.",
        "publication_date": end.date().isoformat() if end else None,
        "data_product_sector": "Education",
    }


def _flavor(document: Report, main: Claim) -> dict[str, Any]:
    return {
        "name": "Gaussian DP" if main.mu is not None else "Approximate DP",
        "data_domain": document.data.source,
        "input_metric": main.adjacency,
        "unprotected_quantities": " ".join(document.unprotected),
    }


def _loss(main: Claim) -> dict[str, Any]:
    parameters: dict[str, float | None] = {}
    if main.stated:
        parameters = {"epsilon": main.epsilon, "delta": main.delta}
        if main.mu is not None:
            parameters["mu"] = main.mu
    return {
        "privacy_unit": main.unit,
        "privacy_unit_description": main.adjacency,
        "privacy_parameters": parameters,
        "privacy_parameters_description": f"{main.status}: {main.assumption}",
    }


def _model(document: Report) -> dict[str, Any]:
    return {
        "model_name": "Central" if document.claims[0].unit == "participant" else "Local",
        "model_name_description": document.claims[0].assumption,
        "actors": "; ".join(
            f"{actor.name}: sees {actor.sees}, relied on to {actor.trusted_to}" for actor in document.trust.actors
        ),
        "release_type": "Many releases",
        "release_type_description": f"{len(document.ledger.debits)} rounds, each with a model that participants see",
        "data_source_type": "Dynamic",
        "access_type": "Non-interactive",
    }
