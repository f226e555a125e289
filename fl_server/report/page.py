"""Draws the report's HTML page: self-contained, no scripts, nothing loaded from anywhere."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from fl_server.report.document import Report
from fl_server.report.figures import benchmark_bars, budget_by_round, icon_array, trade_off
from fl_server.report.numbers import moment, period, rounded_down, rounded_up, scientific
from shared_models.privacy.odds import odds

_OBSERVERS = {
    "server": "the server",
    "participant": "another participant",
    "model_recipient": "whoever receives the model",
    "public": "the public",
}
_UNITS = {
    "frame": "one video frame",
    "sequence": "one stored recording of a few seconds",
    "participant": "everything that one person contributed",
}


def render_html(document: Report) -> str:
    """The whole page as one HTML text.

    The first claim is the one that the ledger counts. Where it is not stated, neither are the ledger's
    epsilons, the accountants' figures, the odds, nor any picture of them.
    """
    main, utility = document.claims[0], document.utility_bias
    figures = {"benchmark": benchmark_bars(utility.before, utility.after)}
    main_odds = None
    if main.stated and main.epsilon is not None and main.delta is not None:
        main_odds = odds(main.epsilon, main.delta, main.mu)
        figures["odds"] = icon_array(main_odds)
        figures["budget"] = budget_by_round(document.ledger)
        figures["trade_off"] = trade_off(main.epsilon, main.delta, main.mu)
    template = _environment().get_template("report.html.j2")
    return template.render(document=document, main=main, odds=main_odds, figures=figures)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fl_server.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"observers": _OBSERVERS, "units": _UNITS, "period": period}
    environment.filters |= {
        "rounded_up": rounded_up,
        "rounded_down": rounded_down,
        "scientific": scientific,
        "plain": "{:g}".format,
        "score": "{:.3f}".format,
        "change": "{:+.3f}".format,
        "moment": moment,
        "recorded": _recorded,
    }
    return environment


def _recorded(value: str | None) -> str:
    return value or "not recorded"
