import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_models.canonical import canonical, canonical_hash

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_the_form_is_fixed() -> None:
    value = {"b": [1, 2.5, None, True], "a": {"z": "é\n", "A": ""}}
    assert canonical(value) == '{"a":{"A":"","z":"é\\n"},"b":[1,2.5,null,true]}'.encode()
    assert canonical_hash({}) == hashlib.sha256(b"{}").hexdigest()


@given(value=values)
def test_it_is_json_of_the_same_value(value: object) -> None:
    assert json.loads(canonical(value)) == value
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(fields=st.dictionaries(st.text(), values, min_size=2, max_size=5))
def test_the_order_of_keys_does_not_matter(fields: dict[str, object]) -> None:
    assert canonical(dict(reversed(fields.items()))) == canonical(fields)
    assert canonical_hash(dict(reversed(fields.items()))) == canonical_hash(fields)


@given(one=values, other=values)
def test_different_values_have_different_hashes(one: object, other: object) -> None:
    assert (canonical_hash(one) == canonical_hash(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_json_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"sigma": value})
