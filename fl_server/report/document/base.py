"""What every group of the document is made of."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
Observer = Literal["server", "participant", "model_recipient", "public"]
Unit = Literal["frame", "sequence", "participant"]
ClaimStatus = Literal["holds", "simulated", "assumption_broken", "not_claimed"]


class Group(BaseModel):
    """One group of fields. The text below a field is its documentation, here and in the schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
