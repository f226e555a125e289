from fl_client.conditions.idle import unused


def test_training_waits_until_nobody_has_touched_the_computer_for_so_long():
    condition = unused(120, lambda: 119.9)
    assert condition.judge(condition.read()) == "you are using this computer"
    assert condition.judge(120.0) == ""
