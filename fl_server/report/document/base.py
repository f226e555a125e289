"""What every group of the document is made of."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from shared_models.documented import Documented

Probability = Annotated[float, Field(ge=0, le=1)]
Observer = Literal["server", "participant", "model_recipient", "public"]
Unit = Literal["frame", "sequence", "participant"]
ClaimStatus = Literal["holds", "simulated", "assumption_broken", "not_claimed"]


class Group(Documented):
    """One group of fields. The text below a field is its documentation, here and in the schema."""

    model_config = ConfigDict(allow_inf_nan=False)
