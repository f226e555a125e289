import json

import numpy as np
import pytest

from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.evaluation.groups import MIN_SUBJECTS, Trait, measure_groups, trait_sheet

SCHEME = scheme_by_name("basic-7")
CLASSES = len(SCHEME.classes)


def people(**groups: tuple[int, dict[int, tuple[int, int]]]) -> tuple[np.ndarray, Sequences]:
    """Probabilities and sequences of `gender`: by value how many people, and by class how many sequences each, how many
    of them right. A wrong answer is class 6."""
    labels, answers, subjects, values = list[int](), list[int](), list[str](), list[str]()
    for value, (count, classes) in groups.items():
        for number in range(count):
            for label, (sequences, right) in classes.items():
                labels += [label] * sequences
                answers += [label] * right + [6] * (sequences - right)
                subjects += [f"{value}-{number}"] * sequences
                values += [value] * sequences
    size, eye = len(labels), np.eye(CLASSES)
    frames = np.zeros((size, 1, 1, 2, 2), np.uint8)
    data = Sequences(
        SCHEME, frames, eye[labels].astype(np.float32), tuple(subjects), ("",) * size, {"gender": tuple(values)}
    )
    return eye[answers], data


def measured(**groups: tuple[int, dict[int, tuple[int, int]]]) -> Trait:
    [trait] = measure_groups(*people(**groups))
    return trait


def test_scores_and_gap_are_those_worked_out_by_hand() -> None:
    """Of 4 + 2 sequences a person: 4/4 and 1/2 against 2/4 and 1/2."""
    trait = measured(female=(6, {0: (4, 4), 1: (2, 1)}), male=(5, {0: (4, 2), 1: (2, 1)}))

    female, male = (group.scores for group in trait.groups)
    assert female is not None
    assert male is not None
    assert trait.gap is not None
    assert trait.classes == SCHEME.classes[:2]
    assert (female.subjects, female.sequences) == (6, 36)
    assert (female.accuracy.value, female.uar.value) == pytest.approx((5 / 6, 0.75))
    assert female.macro_f1.value == pytest.approx((1 + 2 / 3) / 2)
    assert (male.subjects, male.sequences) == (5, 30)
    assert (male.accuracy.value, male.uar.value) == pytest.approx((1 / 2, 0.5))
    assert (trait.gap.best, trait.gap.worst) == ("female", "male")
    assert trait.gap.uar.value == pytest.approx(0.25)
    assert trait.gap.uar.low == pytest.approx(0.25), "people of a group are all alike here, so that nothing moves"


def test_a_class_that_one_group_lacks_is_compared_in_none() -> None:
    """Anger would raise the average recall of the women, whom alone it was asked of."""
    classes = {0: (4, 2), 1: (2, 1)}
    trait = measured(female=(6, {**classes, 4: (2, 2)}), male=(5, classes))

    assert trait.classes == SCHEME.classes[:2]
    assert trait.gap is not None
    assert trait.gap.uar.value == pytest.approx(0)
    assert trait.groups[0].scores is not None
    assert trait.groups[0].scores.accuracy.value == pytest.approx(5 / 8), "accuracy is over all sequences"


@pytest.mark.parametrize("few", [(1, {0: (30, 30), 1: (30, 30)}), (MIN_SUBJECTS, {0: (2, 2), 1: (1, 1)})])
def test_a_group_of_few_people_or_sequences_gets_no_number(few: tuple[int, dict[int, tuple[int, int]]]) -> None:
    trait = measured(female=(6, {0: (4, 4), 1: (2, 1)}), male=few)

    assert [group.value for group in trait.groups] == ["female", "male"]
    assert trait.groups[0].scores is not None
    assert trait.groups[1].scores is None
    assert trait.gap is None
    assert trait_sheet(trait).rows[1] == ("male", "too few", *["-"] * 5)


def test_a_small_group_does_not_narrow_what_the_others_are_compared_on() -> None:
    whole = dict.fromkeys(range(6), (4, 2))
    trait = measured(female=(6, whole), male=(6, whole), other=(1, {0: (4, 4)}))
    assert trait.classes == SCHEME.classes[:6]
    assert trait.gap is not None


def test_groups_with_less_than_two_classes_in_common_are_not_compared() -> None:
    trait = measured(female=(6, {0: (4, 4), 1: (4, 4)}), male=(6, {1: (4, 4), 2: (4, 4)}))
    assert [group.scores for group in trait.groups] == [None, None]
    assert (trait.classes, trait.gap) == ((), None)


def test_a_gap_that_other_people_would_turn_around_says_so() -> None:
    """In each group some are always understood and some never: 4 of 6, and 3 of 6."""
    good, bad = {0: (4, 4), 1: (4, 4)}, {0: (4, 0), 1: (4, 0)}
    probabilities, data = people(a=(4, good), b=(2, bad), c=(3, good), d=(3, bad))
    groups = {"side": tuple({"a": "one", "b": "one", "c": "two", "d": "two"}[v] for v in data.groups["gender"])}
    data = Sequences(SCHEME, data.frames, data.targets, data.subjects, data.digests, groups)

    [trait] = measure_groups(probabilities, data)

    assert trait.gap is not None
    assert trait.gap.uar.value == pytest.approx(1 / 6)
    assert trait.gap.uar.low is not None
    assert trait.gap.uar.high is not None
    assert trait.gap.uar.low < 0 < trait.gap.uar.high


def test_sequences_of_unknown_group_are_counted_and_in_no_group() -> None:
    probabilities, data = people(female=(6, {0: (4, 4), 1: (2, 1)}))
    values = (None, *data.groups["gender"][1:])
    data = Sequences(SCHEME, data.frames, data.targets, data.subjects, data.digests, {"gender": values})
    [trait] = measure_groups(probabilities, data)
    assert trait.unknown == 1
    assert trait.groups[0].scores is not None
    assert trait.groups[0].scores.sequences == 35


def test_data_that_names_no_groups_has_none() -> None:
    probabilities, data = people(female=(1, {0: (1, 1)}))
    bare = Sequences(SCHEME, data.frames, data.targets, data.subjects, data.digests)
    assert measure_groups(probabilities, bare) == ()


def test_the_sheet_gives_the_gap_and_what_was_compared() -> None:
    trait = measured(female=(6, {0: (4, 4), 1: (2, 1)}), male=(5, {0: (4, 2), 1: (2, 1)}))
    sheet = trait_sheet(trait)
    assert sheet.headings[0] == "Gender"
    assert sheet.rows[1] == ("male", "5", "30", "0.500", "0.500", "0.500 to 0.500", "0.667")
    assert sheet.rows[2] == ("gap", "-", "-", "-", "0.250", "0.250 to 0.250", "-")
    assert "Gap: female minus male." in sheet.note
    assert "over the 2 classes that all judged groups have" in sheet.note
    assert Trait.model_validate(json.loads(trait.model_dump_json())) == trait
