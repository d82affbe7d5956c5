"""An arm is a value; its text is for readers, and is taken apart only where runs of format 1 have nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.arm import ORDERS, Arm
from spaces.setting import Setting

NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)


@pytest.mark.parametrize(("arm", "text"), [
    (Arm("finetune"), "finetune"),
    (Arm("self_paced", order="random"), "self_paced/random"),
    (Arm("self_paced", "best", "hard_first"), "self_paced@best/hard_first"),
    (Arm("self_paced", "best", "hard_first", "table"), "self_paced@best/hard_first [table]"),
])  # fmt: skip
def test_a_reader_is_told(arm, text):
    assert str(arm) == text


@given(NAMES, st.none() | NAMES, st.sampled_from([None, *ORDERS]))
def test_the_texts_of_format_1_are_read_back(strategy, weights, order):
    arm = Arm(strategy, weights, order)
    assert Arm.read(str(arm)) == arm


def test_a_twin_has_a_partner_and_beside_each_arm_stands_its_baseline():
    arm = Arm("self_paced", "best", run="table")
    assert not arm.is_twin and arm.partner == arm
    assert arm.twin("random").is_twin and arm.twin("random").partner == arm
    assert arm.twin("random").of("finetune") == Arm("finetune", "best", run="table")


def test_a_setting_takes_an_arm_as_its_parts_and_as_the_text_of_format_1():
    arm = Arm("self_paced", None, "random")
    setting = Setting(strategy="self_paced", arm=arm)
    assert Setting(strategy="self_paced", arm="self_paced/random") == setting
    assert Setting.model_validate_json(setting.model_dump_json()) == setting
    assert setting.contestant == arm and Setting(strategy="finetune").contestant == Arm("finetune")
