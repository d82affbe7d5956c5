"""Figures of a head-to-head by what they show, on runs whose figures are known: curves, seeds, ribbons, errors."""

import numpy as np
import pandas as pd
import pytest

from analysis.comparable import sections
from analysis.figures import arms, arms_curves, arms_schedules, arms_seconds, arms_seeds, errors, style
from analysis.figures.axes import End, fitted, label_ends, limits, log_x, mark_outside, spread
from analysis.figures.curves import best_so_far, curve
from analysis.figures.drawing import compose
from analysis.runs import load_run
from tests import made_up, odd_runs


def arms_of(*folders, reference=None) -> arms.Arms:
    (section,) = sections([load_run(folder) for folder in folders])
    return arms.Arms(section, list(section.arms["arm"].unique()), reference)


@pytest.fixture
def of(tmp_path):
    return arms_of(made_up.write(tmp_path, "h"))


@pytest.fixture
def section(of):
    return of.section


def axes_of(panel):
    return compose([panel]).axes[0]


def lines_of(axes) -> dict:
    return {line.get_label(): line for line in axes.lines}


def ends_of(axes) -> set:
    return {text.get_text() for text in axes.texts}


def test_curves_are_means_over_seeds_with_their_range(of):
    x, mean, low, high = curve(of.rows("finetune"), "epoch", "eval_accuracy")
    assert x.tolist() == [1, 2, 3, 4] and mean[-1] == pytest.approx(0.93)
    assert (low[-1], high[-1]) == pytest.approx((0.92, 0.94))


def test_where_seeds_never_meet_there_is_no_mean_and_each_has_its_line(tmp_path):
    """There were eighty points at one place, and a legend entry without ink."""
    of = arms_of(odd_runs.apart(tmp_path))
    assert len(curve(of.rows("finetune"), "updates", "eval_accuracy")[0]) == 0
    axes = axes_of(arms_curves.updates_panels(of)[0])
    own = [line for line in axes.lines if line.get_gid() == "arm:self_paced" and len(line.get_xdata()) == 4]
    assert len(own) == 3 and [line.get_xdata()[0] for line in own] == [10, 1010, 2010]
    assert "(3 seeds: mean, lowest and highest)" in arms_curves.updates_caption(of)
    assert "lines of their own" in arms_curves.updates_caption(of)


def test_a_panel_per_strategy_has_its_twins_thin_and_the_baseline_grey(tmp_path):
    of = arms_of(odd_runs.twins(tmp_path))
    (panel,) = arms_curves.updates_panels(of)
    axes = axes_of(panel)
    lines = {name: line for name, line in lines_of(axes).items() if not name.startswith("_")}
    assert set(lines) == {"self_paced", "random order", "hard first", "finetune"} == ends_of(axes)
    colours = {name: line.get_color() for name, line in lines.items()}
    assert (
        colours["self_paced"] == colours["random order"] == colours["hard first"] != colours["finetune"] == style.PLAIN
    )
    assert lines["random order"].get_linewidth() < lines["self_paced"].get_linewidth()
    assert axes.get_title(loc="left") == "self_paced" and lines["random order"].get_gid() == "arm:self_paced/random"


def test_dash_means_weights_and_labels_say_them(tmp_path):
    of = arms_of(odd_runs.two_weights(tmp_path))
    assert of.label("self_paced") == "self_paced imagenet" and of.label("self_paced@dtd_small") == "self_paced dtd"
    assert of.dashes["self_paced"] == of.dashes["finetune"] == "-" != of.dashes["self_paced@dtd_small"]
    assert of.colours["self_paced"] == of.colours["self_paced@dtd_small"]
    (panel,) = arms_curves.updates_panels(of)
    assert {"imagenet", "dtd", "finetune imagenet", "finetune dtd", "random order imagenet"} == ends_of(axes_of(panel))


def test_a_run_is_named_only_where_two_share_strategy_and_weights(tmp_path):
    both = arms_of(*odd_runs.two_runs(tmp_path))
    assert both.label("self_paced [first]") == "self_paced [first]"
    alone = arms_of(made_up.write(tmp_path, "alone", arms=("self_paced", "finetune")))
    assert alone.label("self_paced") == "self_paced"


def test_colours_stay_with_their_strategies_and_are_all_in_the_theme():
    few, more = (
        style.strategy_colours(names) for names in (["transfer", "finetune"], ["self_paced", "transfer", "seta"])
    )
    assert few["transfer"] == more["transfer"] and len(set(more.values())) == 4 and few["finetune"] == style.PLAIN
    every = style.strategy_colours(style.SPACES)
    assert set(every.values()) <= set(style.THEME.values()) and len(set(style.THEME.values())) == len(style.THEME)
    assert style.DARK.keys() == style.THEME.keys()


@pytest.mark.parametrize(("theme", "ground"), [(style.THEME, style.THEME["paper"]), (style.DARK, style.DARK["paper"])])
def test_text_and_lines_stand_out_on_their_ground(theme, ground):
    """WCAG 2.1: 4.5 for text, here 7; 3 for what is drawn, of which the two light colours of the palette have 2."""

    def light(colour: str) -> float:
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        return float(
            np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
        )

    def contrast(colour: str) -> float:
        low, high = sorted((light(colour), light(ground)))
        return (high + 0.05) / (low + 0.05)

    assert contrast(theme["ink"]) > 7 and contrast(theme["plain"]) > 4.5
    assert all(contrast(colour) > 2 for name, colour in theme.items() if name.startswith("strategy"))


def test_a_reference_stands_beside_the_arms_per_epoch_and_only_then(tmp_path, of):
    known = pd.DataFrame({"epoch": [1, 2], "accuracy": [0.5, 0.6], "loss": [1.0, 0.8]})
    with_it = arms_of(made_up.write(tmp_path, "r"), reference=known)
    drawn = [list(lines_of(axes_of(panel))["reference"].get_ydata()) for panel in arms_curves.epochs_panels(with_it)]
    assert drawn == [[0.5, 0.6], [1.0, 0.8]]
    wanted = {drawing.name: drawing.wants(of) for drawing in arms.TRAINING}
    assert wanted == {"arms_updates": True, "arms_epochs": False}


def test_the_budget_line_is_the_quickest_total_at_the_same_updates(section):
    section.records.loc[section.records["arm"] == "finetune", "seconds"] *= 2
    section.records.loc[section.records["arm"] == "transfer", "updates"] *= 9
    names = ["self_paced", "finetune", "transfer"]
    assert arms_seconds.common_seconds(section.records, names) == pytest.approx(4.0)


def test_the_staircase_is_the_best_so_far(of):
    axes = axes_of(arms_seconds.seconds_panels(of)[0])
    lines = lines_of(axes)
    assert lines["transfer"].get_drawstyle() == "steps-post"
    assert lines["transfer"].get_xdata()[0] == pytest.approx(0.1)
    staircase = lines["self_paced"].get_ydata()
    assert staircase[0] == pytest.approx(0.81) and staircase[-1] == pytest.approx(0.96)
    assert axes.get_xscale() == "log" and {"self_paced", "finetune", "transfer"} <= ends_of(axes)


def test_the_staircase_begins_with_the_first_look_that_counts(of):
    rows = of.rows("self_paced")
    later = rows[rows["epoch"] > rows["epoch"].min()]
    unseen = rows.assign(looks=rows["epoch"].isin(later["epoch"]).astype(int))
    begins = best_so_far(unseen, "seconds")[0][0]
    assert begins == pytest.approx(later.groupby("seed")["seconds"].min().max())
    assert begins > best_so_far(rows, "seconds")[0][0]


def test_of_loss_the_best_so_far_is_the_lowest(tmp_path):
    of = arms_of(odd_runs.by_loss(tmp_path))
    lines = lines_of(axes_of(arms_seconds.seconds_panels(of)[0]))
    assert np.all(np.diff(lines["finetune"].get_ydata()) <= 0)
    assert arms_seconds.seconds_caption(of) == (
        "The best so far on validation: finetune has 1.070 after 4 s; 1 of the 2 others reaches it, self_paced first, "
        "after 4 s."
    )


def test_time_to_the_baseline_is_told_of_arms_from_its_weights(tmp_path):
    names = ("finetune", "self_paced", "transfer", "finetune@dtd.pth")
    said = arms_seconds.seconds_caption(arms_of(made_up.write(tmp_path, "r", arms=names)))
    assert "of the 2 others from these weights" in said
    few = arms_of(made_up.write(tmp_path, "s", arms=("finetune", "self_paced", "finetune@dtd.pth")))
    assert "; self_paced imagenet reaches it after 4 s." in arms_seconds.seconds_caption(few)


def test_seeds_stand_in_pairs(of):
    panels = arms_seeds.seeds_panels(of)
    axes = axes_of(panels[0])
    pairs = [list(line.get_ydata()) for line in axes.lines if list(line.get_xdata()) == [0, 1]]
    assert pairs == [[0.90, 0.93], [0.91, 0.94], [0.92, 0.95]]  # baseline, curriculum
    assert [text.get_text() for text in axes.get_xticklabels()] == ["finetune", "self_paced"]
    assert axes.get_title(loc="left") == "+3.0 points" and len(panels) == 2
    assert arms_seeds.seeds_caption(of).startswith(
        "self_paced leads finetune on 3 of 3 seeds, +3.0 points on average; no seed differs by more than 3.0. "
    )


def test_a_failed_training_is_hollow(tmp_path):
    of = arms_of(odd_runs.failed(tmp_path))
    axes = axes_of(arms_seeds.seeds_panels(of)[0])
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert "(2 to 3 seeds: mean, lowest and highest)" in arms_curves.updates_caption(of)
    assert [len(line.get_xdata()) for line in hollow] == [1] and "hollow" in arms_seeds.seeds_caption(of)


def test_of_many_planned_pairs_the_first_are_shown_and_the_others_counted(tmp_path):
    of = arms_of(odd_runs.twelve_arms(tmp_path))
    pairs = len(arms_seeds.planned(of))
    assert pairs > 12 == len(arms_seeds.seeds_panels(of))
    assert f"The first 12 planned pairs; {pairs - 12} further ones left out." in arms_seeds.seeds_caption(of)


def test_a_constant_schedule_is_said_and_not_drawn(of):
    """self_paced grows from a quarter to the whole in four epochs; its rate falls in all arms alike."""
    titles = [axes_of(panel).get_title(loc="left") for panel in arms_schedules.schedules_panels(of)]
    assert titles == ["self_paced", "Learning rate"]
    assert arms_schedules.schedules_caption(of) == (
        "finetune and transfer trained on everything from epoch 1; the share of self_paced grew from 0.25 to 1.00 by epoch "
        "4 (first seed)."
    )


def test_a_last_epoch_that_the_budget_cut_short_is_no_fall(tmp_path):
    def short(row):
        cut = row["epoch"] == 4
        return row | {"share": 1.0, "learning_rate": 1e-3, "images": 9 if cut else 100,
                      "class_counts": [9, 0, 0] if cut else [40, 30, 30]}  # fmt: skip

    of = arms_of(odd_runs.reworked(made_up.write(tmp_path, "h"), short))
    assert not arms_schedules.has_schedules(of)


def test_costs_are_bars_of_seconds_and_of_images(of):
    seconds, images = map(axes_of, arms_schedules.costs_panels(of))
    assert [bar.get_width() for bar in seconds.patches] == pytest.approx([0.4, 4.0, 4.0])  # upwards
    assert {text.get_text() for text in images.texts} == {"40 + 80"}
    assert arms_schedules.costs_caption(of).startswith(
        "Twins apart, a training took from 0.4 s (transfer) to 4 s (self_paced)"
    )


def test_errors_by_class_and_confusion_by_hand(of):
    table = errors.errors_by_class(of.section, ["self_paced", "finetune"]).set_index(["arm", "class"])
    assert table["misclassified"].tolist() == [0.0, 0.0, 1.0, 0.5, 0.0, 1.0]
    assert table.loc[("self_paced", "eForest"), "images"] == 6  # two of each class on three seeds
    found = errors.Errors(of)
    axes = axes_of(errors.confusion_panels(found)[0])
    texts = [(t.get_position(), t.get_text()) for t in axes.texts]
    assert sorted(texts) == [((0, 0), "6"), ((0, 2), "6"), ((1, 1), "6")]
    assert errors.confusion_caption(found).startswith("self_paced takes gParking for aGrass most often: 6 of 6 images")
    assert errors.classes_caption(found) == (
        "Misclassified most on test: gParking, 100 % of its images over all arms; least: eForest, 0 %."
    )


def test_of_many_classes_the_worst_are_shown_and_said(tmp_path):
    found = errors.Errors(arms_of(odd_runs.many_classes(tmp_path)))
    axes = axes_of(errors.class_panels(found)[0])
    shown = [text.get_text() for text in axes.get_yticklabels()]
    assert len(shown) == 12 and shown[0] == "texture_number_3"
    assert "Shown are the 12 worst of 47 classes." in errors.classes_caption(found)
    cells = axes_of(errors.confusion_panels(found)[0])
    assert {"texture_number_3", "texture_number_40"} <= {text.get_text() for text in cells.get_yticklabels()}
    assert "takes texture_number_3 for texture_number_40 most often: 8 of 8 images" in errors.confusion_caption(found)


def test_arms_that_do_not_fit_are_counted(tmp_path):
    of = arms_of(made_up.write(tmp_path, "h", arms=tuple(f"finetune@w{i}" for i in range(14)), seeds=1))
    assert "2 further arms stand in the tables alone." in arms_curves.updates_caption(of)


# what panels share


def test_one_far_value_leaves_the_axis_to_the_others():
    many = [0.8 + 0.01 * i for i in range(10)]
    low, high = limits([*many, -5.0])
    assert 0.78 < low < 0.8 and 0.89 < high < 0.91
    assert limits([*many, 0.7])[0] < 0.7  # a third of the axis is enough for the many
    assert limits([0.1, 0.9, 0.9])[0] < 0.1  # of few nothing is called far
    low, high = limits([0.5] * 9)
    assert low < 0.5 < high and limits([np.nan]) == (0.0, 1.0)


def test_a_panel_leaves_shared_limits_only_where_it_would_be_squashed_or_outside():
    assert fitted((0.0, 1.0), [0.2, 0.9]) == (0.0, 1.0)
    assert fitted((0.0, 1.0), [0.80, 0.82]) == limits([0.80, 0.82]) and fitted((0.8, 0.9), [0.2, 0.3])[1] < 0.4


def test_what_is_outside_is_marked_at_the_edge_with_its_value():
    with style.styled():
        _, axes = style.panels(figsize=(3, 2))
        axes.set(xlim=(0, 3), ylim=(0, 1))
        assert mark_outside(axes, np.array([1.0, 2.0]), np.array([0.5, 7.25])) == 1
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines] == [([2.0], [1])]
    assert [text.get_text() for text in axes.texts] == ["7.25"]


def test_labels_move_apart_as_little_as_they_must():
    assert spread([0.2, 0.8], 0.1).tolist() == [0.2, 0.8]
    assert spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert spread([0.0, 0.0, 1.0], 0.1) == pytest.approx([0.0, 0.1, 1.0])
    assert spread([1.0, 1.0], 0.1) == pytest.approx([0.9, 1.0])


def test_a_label_has_the_gid_of_its_line_and_follows_its_height():
    with style.styled():
        _, axes = style.panels(figsize=(3, 2))
        axes.set(xlim=(0, 1), ylim=(0, 1))
        label_ends(axes, [End(1, 0.9, "high", "#000000", "arm:a"), End(1, 0.1, "low", "#000000", "arm:b")])
    assert [(text.get_text(), text.get_gid()) for text in axes.texts] == [("low", "arm:b"), ("high", "arm:a")]
    assert axes.texts[0].get_position()[1] < axes.texts[1].get_position()[1]


def test_a_logarithmic_axis_has_plain_numbers():
    with style.styled():
        figure, axes = style.panels(figsize=(4, 3))
        axes.plot([1e-5, 3e-4, 1e-2], [1, 2, 3])
        axes.set_xlim(1e-5, 1e-2)
        log_x(axes)
        figure.draw_without_rendering()
    said = [label.get_text() for label in axes.get_xticklabels()]
    assert "0.001" in said and not any("$" in text or "^" in text for text in said)
