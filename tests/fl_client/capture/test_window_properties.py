"""What holds for the window buffer whatever the order of looks, labels and pauses."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.capture.window import WINDOW_SECONDS, Look, Refusal, Window, WindowBuffer

STEADY = st.tuples(st.just("steady"), st.integers(4, 30))
LOOK = st.tuples(st.just("look"), st.sampled_from([0.0625, 0.2, 0.7]), st.sampled_from(["face", "none", "blurred"]))
VISIT = st.tuples(st.just("look"), st.just(0.125), st.just("two"))
LABEL = st.tuples(st.just("label"), st.sampled_from([0.0, 0.0, 0.1, 0.4, 1.0, 5.0]), st.sampled_from([0.0, 10.0]))
STEPS = st.lists(st.one_of(STEADY, STEADY, VISIT, LABEL, LABEL, LOOK, st.just(("pause",))), min_size=4, max_size=24)
REFUSALS = {"two": Refusal.SEVERAL_FACES, "none": Refusal.NO_FACE, "blurred": Refusal.BLURRED}


@dataclass
class World:
    """A buffer, and all that went into it: each crop's pixels name the frame that it is."""

    window: WindowBuffer = field(default_factory=WindowBuffer)
    now: float = 0.0
    looks: list[tuple[float, str, bool]] = field(default_factory=list)
    kept: list[tuple[Window, float, float]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def look(self, step: float, seen: str, searched: bool = True) -> None:
        self.now += step
        self.looks.append((self.now, seen, searched))
        crop = np.full((4, 4), len(self.looks), np.uint16)
        self.window.add(Look(self.now, crop if seen == "face" else REFUSALS[seen], searched))

    def label(self, ago: float, reach: float) -> None:
        asked = max(0.0, self.now - ago)
        cut = self.window.cut(asked, reach)
        if isinstance(cut, Window):
            self.kept.append((cut, asked, reach))

    def suspicious(self) -> set[int]:
        """The frames in which a second face was seen, or which only a search that found one came after."""
        found, unsure = set(), []
        for number, (_, seen, searched) in enumerate(self.looks, start=1):
            if seen == "two":
                found |= {number, *unsure}
            unsure = [] if searched else [*unsure, number]
        return found


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_kept_windows_share_no_frame_hold_no_second_face_and_end_in_time(steps):
    world = World()
    for step in steps:
        match step:
            case ("look", seconds, seen):
                world.look(seconds, seen)
            case ("steady", count):
                for i in range(count):
                    world.look(0.125, "face", searched=i % 4 == 0)
            case ("label", ago, reach):
                world.label(ago, reach)
            case _:
                world.window.clear()
                world.pauses.append(world.now)
    given_out: set[int] = set()
    second_face = world.suspicious()
    for cut, asked, reach in world.kept:
        numbers = set(cut.frames.ravel().tolist())
        assert 0 not in numbers, "a frame that was overwritten"
        assert not numbers & given_out
        given_out |= numbers
        assert asked - reach <= cut.end <= asked
        first, last = cut.end - WINDOW_SECONDS, cut.end
        within = {n for n, (seconds, *_) in enumerate(world.looks, start=1) if first < seconds <= last}
        assert numbers <= within
        assert not within & second_face
        assert not any(min(world.looks[n - 1][0] for n in numbers) <= pause < last for pause in world.pauses)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 10), st.floats(0, 60))
def test_a_clear_window_in_the_ten_seconds_before_is_always_found(ago, later):
    """Whenever the question is answered, as long as it is said to wait."""
    window, asked = WindowBuffer(), 15.0
    for i in range(round((asked + later) * 8)):
        seconds = i / 8
        clear = asked - ago - WINDOW_SECONDS <= seconds <= asked - ago
        seen = np.full((4, 4), 1, np.uint8) if clear else Refusal.NO_FACE
        window.add(Look(seconds, seen), [asked] if seconds > asked else [])
    assert isinstance(window.cut(asked, reach=10), Window)
