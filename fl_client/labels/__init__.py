"""Where labels come from: a tap on a question, a script in its place, or the model itself."""

from fl_client.labels.events import PROBE, PSEUDO, SCRIPT, LabelEvent, LabelSource, Together
from fl_client.labels.script import LabelScript

__all__ = ["PROBE", "PSEUDO", "SCRIPT", "LabelEvent", "LabelScript", "LabelSource", "Together"]
