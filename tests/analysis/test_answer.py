"""The answer of the first screen: which question a pair answers, the one word, a sentence for any number of pairs."""

import numpy as np
import pytest

from analysis.chapters import first_screen
from analysis.comparable import sections
from analysis.figures.differences import Forest, Mark, Row, forest_panels
from analysis.figures.drawing import compose
from analysis.rulebook.answer import NO, NOT_ASKED, NOT_SHOWN, YES, answer
from analysis.rulebook.conditions import conditions as in_words
from analysis.rulebook.pairs import Pair
from analysis.rulebook.questions import BEATS, CHOSEN, EASY_FIRST, ORDER, OTHER, SUBSETS, by_question, question_of
from analysis.runs import load_run
from spaces.arm import Arm
from tests import made_up

SELF_PACED, FINETUNE = Arm("self_paced"), Arm("finetune")


def pair(a=SELF_PACED, b=FINETUNE, differences=(0.0,), sd=0.0, planned=True, **changes) -> Pair:
    """Differences of so many seeds; `sd`: the least deviation that is believed."""
    values = np.array(differences, float)
    made = {"a": a, "b": b, "planned": planned, "alpha": 0.05, "margin": 0.01, "seeds": tuple(range(len(values))),
            "differences": values, "floors": np.full(len(values), sd), "failed": (0, 0), "seconds": 0.0}  # fmt: skip
    return Pair(**(made | changes))


BETTER = [0.05, 0.052, 0.048] * 4
WORSE = [-value for value in BETTER]
TIED = [0.001, -0.001, 0.0] * 6
OPEN = [0.05, -0.05, 0.04, -0.03, 0.02, -0.01]


@pytest.mark.parametrize(
    ("a", "b", "asked"),
    [
        ("self_paced", "finetune", BEATS),
        ("self_paced", "random_subset", SUBSETS),
        ("self_paced", "self_paced/random", ORDER),
        ("self_paced", "self_paced/hard_first", EASY_FIRST),
        ("transfer", "finetune", OTHER),
        ("self_paced/random", "finetune", OTHER),
        ("self_paced", "paced/random", OTHER),
        ("self_paced", "paced", OTHER),
    ],
)
def test_a_pair_answers_one_question(a, b, asked):
    assert question_of(pair(Arm.read(a), Arm.read(b))) is asked


def test_what_a_search_chose_is_set_against_its_anchors():
    found = pair(Arm("self_paced", config="trial-4"), Arm("self_paced", config="trial-0"))
    assert question_of(found) is CHOSEN


def test_the_largest_difference_stands_first_and_questions_in_their_order():
    arms = [Arm("paced"), Arm("manual_division"), Arm("infobatch")]
    pairs = [pair(arm, FINETUNE, [mean]) for arm, mean in zip(arms, (0.01, 0.03, 0.02), strict=True)]
    grouped = by_question([pair(SELF_PACED, SELF_PACED.twin("random")), *pairs])
    assert list(grouped) == [BEATS, ORDER]
    assert [str(each.a) for each in grouped[BEATS]] == ["manual_division", "infobatch", "paced"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([BETTER], YES), ([WORSE], NO), ([TIED], NO), ([OPEN], NOT_SHOWN),
        ([BETTER, OPEN], YES), ([WORSE, TIED], NO), ([WORSE, OPEN], NOT_SHOWN),
    ],
)  # fmt: skip
def test_the_word_of_several_pairs(words, said):
    arms = [Arm("self_paced"), Arm("paced")]
    assert answer([pair(arm, FINETUNE, values) for arm, values in zip(arms, words, strict=False)]).word == said


def test_without_a_planned_pair_there_is_no_word():
    assert answer([pair(differences=BETTER, planned=False)]).word == NOT_ASKED
    assert answer([]).word == NOT_ASKED


def test_a_gain_that_is_not_of_the_order_is_said():
    both = [pair(differences=BETTER), pair(b=SELF_PACED.twin("random"), differences=TIED)]
    assert answer(both).word == "Yes, though not by its order"
    undecided = [pair(differences=BETTER), pair(b=SELF_PACED.twin("random"), differences=OPEN)]
    assert answer(undecided).word == YES


def test_one_pair_of_a_question_is_said_with_its_figures():
    said = answer([pair(differences=BETTER), pair(b=SELF_PACED.twin("random"), differences=OPEN)]).text
    assert said.startswith("self_paced is better than finetune by 5.0 points (+4.")
    assert "12 seeds). self_paced is 0.3 points ahead of self_paced/random (" in said
    assert "6 seeds): undecided, about" in said


def test_many_pairs_are_counted_in_one_sentence():
    names = ("self_paced", "paced", "infobatch", "seta", "rcap")
    values = (BETTER, WORSE, TIED, OPEN, [value - 0.02 for value in OPEN])
    said = answer([pair(Arm(name), FINETUNE, of) for name, of in zip(names, values, strict=True)]).text
    assert said.startswith("Of 5 curricula, better than plain fine-tuning: self_paced (+5.0, +")
    assert "; a tie within 1 point: infobatch; worse: paced (-5.0, -" in said
    assert "; undecided: 2, the highest seta (+0.3, " in said and said.endswith(
        "more seeds would settle each of them, as likely as not."
    )
    assert len(said.split()) < 60


def test_equal_means_are_level():
    said = answer([pair(differences=[0.05, -0.05, 0.04, -0.04])]).text
    assert said.startswith("self_paced is level with finetune (")


def test_failures_and_unequal_looks_are_not_hidden():
    said = answer([pair(differences=OPEN, failed=(2, 0), equal_looks=False)]).text
    assert "2 trainings of self_paced failed" in said and "no word, since epochs were picked on test itself" in said


@pytest.fixture
def section(tmp_path):
    return sections([load_run(made_up.write(tmp_path, "h"))])[0]


def test_the_first_screen_of_a_made_up_run(section):
    assert first_screen.question([section]) == "Does self_paced help on RSSCN7?"
    assert first_screen.conditions([section]) == (
        "resnet18 from ImageNet weights, 256 px, 100 training images, 3 seeds, judged on 6 test images that no pick saw"
    )
    section.runs[0].about["setting"]["spared_seed"] = 7  # test images are left out, of other seeds more or fewer
    assert first_screen.conditions([section]).endswith("judged on about 6 test images that no pick saw")
    (plot,) = first_screen.lead([section], [""])
    assert [title for title, _ in plot.forest.groups] == [BEATS.title, ORDER.title]
    assert [(row.label, round(row.marks[0].mean, 6)) for row in plot.forest.rows] == [
        ("self_paced", 3.0),
        ("self_paced", 1.0),
    ]
    assert plot.caption.startswith("0 of 2 planned pairs decided.")


def test_every_network_of_a_section_is_named_with_what_is_trained_of_it(tmp_path):
    runs = []
    for name, weights, train in (
        ("whole", "imagenet", None),
        ("dtd", "/w/dtd.pth", None),
        ("head", "imagenet", "head"),
    ):
        about = made_up.about(name)
        changes = {"setting": about["setting"] | {"weights": weights}, "options": about["options"] | {"train": train}}
        runs.append(load_run(made_up.write(tmp_path, name, **changes)))
    said = "resnet18 from ImageNet weights and from DTD weights and head of a frozen resnet18 from ImageNet weights, "
    assert first_screen.conditions(sections(runs)).startswith(said)


def test_a_head_to_head_without_a_test_yet_is_no_search_and_has_no_word(tmp_path):
    section = sections([load_run(made_up.write(tmp_path, "h", tests=False))])[0]
    assert first_screen.question([section]) == "Does self_paced help on RSSCN7?"
    ((label, said),) = first_screen.answers([section], [""])
    over = len(made_up.ARMS) * 3
    assert (label, said.word) == ("", NOT_SHOWN)
    assert said.text.startswith(f"{over} trainings of {over} so far are over, and test is opened when all of them are")


def test_sections_are_told_apart_by_what_differs(tmp_path):
    made = made_up.about("x")
    small = made_up.write(tmp_path, "small", setting=made["setting"] | {"image_size": 64, "protocol": "report"})
    found = sections([load_run(made_up.write(tmp_path, "h")), load_run(small)])
    named = first_screen.labels(found)
    assert named[0] == "256 px, judged on 6 test images that no pick saw" and named[1].startswith(
        "64 px, judged on the test"
    )
    assert "px" not in first_screen.conditions(found) and "3 seeds" in first_screen.conditions(found)
    (plot,) = first_screen.lead(found, named)
    assert plot.forest.columns == tuple(named) and all(len(row.marks) == 2 for row in plot.forest.rows)


def test_runs_that_left_test_images_out_stand_by_themselves(tmp_path):
    spared = made_up.about("x")["setting"] | {"spared_seed": 7}
    found = sections([load_run(made_up.write(tmp_path, "h")), load_run(made_up.write(tmp_path, "s", setting=spared))])
    assert first_screen.labels(found) == [
        "judged on 6 test images that no pick saw", "judged on about 6 test images that no pick saw",
    ]  # fmt: skip


def mark(mean, half=1.0, word=""):
    return Mark(mean, mean - half, mean + half, word, f"{mean}")


def forest(*marks):
    rows = tuple(Row(str(i), "", str(i), (one,)) for i, one in enumerate(marks))
    return Forest((("?", rows),), ("test",), "points", 1.0)


def test_the_axis_shows_everything_unless_a_few_lie_far_out():
    low, high = forest(mark(0.5), mark(-2.0), mark(1.0)).span
    assert low < -3.0 and high > 2.0
    low, high = forest(*[mark(value) for value in (0.5, -0.5, 1.0, 0.0, -30.0)]).span
    assert -6 < low < -3 and high < 4  # the others take most of the room; the far one is an arrow


def test_a_column_of_few_rows_is_seen_beside_one_of_many():
    rows = [Row(str(i), "", str(i), (mark(0.1), mark(-3.0, 2.0) if i == 0 else None)) for i in range(20)]
    low, _ = Forest((("?", tuple(rows)),), ("many", "few"), "points", 1.0).span
    assert low <= -5.0


def test_an_axis_without_any_interval_still_holds_every_mean():
    endless = [Mark(value, -np.inf, np.inf, "undecided", "") for value in (1.0, -2.0)]
    low, high = forest(*endless).span
    assert low < -2.0 and high > 1.0 and not endless[0].has_interval


def test_columns_of_the_forest_plot_share_their_labels_and_keep_their_titles_apart():
    """The second title lay over the first one, and both columns were squeezed by labels that stood twice."""
    row = Row("self_paced", "", "self_paced", (mark(0.5),) * 4)
    title = "head of a frozen resnet18 from ImageNet weights, 256 px, 10 to 37 seeds"
    figure = compose(forest_panels(Forest((("Q", (row,)),), (title,) * 4, "points", 1.0)))
    figure.canvas.draw()
    axes = figure.axes[:4]
    assert [any(tick.get_text() for tick in one.get_yticklabels()) for one in axes] == [True, False, False, True]
    titles = [one.title.get_window_extent() for one in axes]
    assert not titles[0].overlaps(titles[1]) and not titles[1].overlaps(titles[2])
    assert axes[0].get_window_extent().width > 100


def test_conditions_say_where_the_head_alone_was_trained_and_for_how_long():
    run = made_up.about("h") | {"budget": {"head_updates": 2240, "marks": 10}}
    run["options"] |= {"train": "head"}
    said = in_words(run)
    assert said.startswith("rsscn7 at 256 px, head of a frozen resnet18 from imagenet, ")
    assert said.endswith(", 2,240 updates each, judged at 10 common marks")


def test_sections_of_two_data_sets_are_told_apart_by_their_names_and_not_by_how_many_images_they_have(tmp_path):
    runs = []
    for name, images in (("rsscn7", 100), ("dtd", 50)):
        data = made_up.about(name)["data"] | {"name": name, "digest": name, "train": images}
        runs.append(load_run(made_up.write(tmp_path, name, data=data)))
    assert first_screen.labels(sections(runs)) == ["RSSCN7", "DTD"]
