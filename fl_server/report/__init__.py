"""The privacy-budget report: one JSON document and the page drawn from it."""

from fl_server.report.bands import band
from fl_server.report.document import Report
from fl_server.report.page import render_html

__all__ = ["Report", "band", "render_html"]
