"""Facts that are printed as JSON: each field says below it what it means, and a page in docs/ lists every one."""

from pydantic import BaseModel, ConfigDict


class Documented(BaseModel):
    """The text below a field is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
