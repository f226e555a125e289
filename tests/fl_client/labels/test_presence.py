import pytest

from fl_client.labels.presence import Presence


def presence(looks):
    """`looks`: one sign a frame, eight a second; `x` is a clear face."""
    seen = Presence()
    for frame, sign in enumerate(looks):
        seen.see(frame / 8, sign == "x")
    return seen


SECOND = 8


@pytest.mark.parametrize(
    ("looks", "worth"),
    [
        ("", False),
        ("x" * 2 * SECOND, False),  # 16 frames span less than two seconds
        ("x" * (2 * SECOND + 1), True),
        ("." * 20 + "x" * (2 * SECOND + 1), True),
        (("x" * 2 * SECOND + ".") * 10, False),
        ("x" * 17 + "." * 3 * SECOND, True),
        ("x" * 17 + "." * 4 * SECOND, False),
        ("x" * 17 + ("." * 2 * SECOND + "x") * 4, True),
        ("x" * 17 + ("." * 2 * SECOND + "x") * 5, False),
    ],
)
def test_it_is_worth_asking_where_a_clear_window_was_and_a_face_still_is(looks, worth):
    assert presence(looks).worth_asking is worth


def test_frames_too_far_apart_make_no_window():
    seen = Presence()
    for second in range(10):
        seen.see(second, True)
    assert not seen.worth_asking
