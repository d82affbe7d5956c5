"""The report on made-up runs: tables, the report's sentences, the page, what figures show, and damaged input."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

import analysis
from analysis import comparison, report, tables, verdict
from analysis.chapters.contents import make_report
from analysis.comparable import initialisation, sections
from analysis.document import display
from analysis.document.markdown import as_markdown, write_markdown
from analysis.document.parts import Sentences
from analysis.figures import errors
from analysis.figures.differences import Forest, Mark, Row, forest_panels
from analysis.figures.drawing import compose
from analysis.original.part_one import part_one
from analysis.runs import load_run
from console.errors import UsageError
from console.wording import CONTROL
from records.files import read_arrays, write_arrays
from records.folder import best_weights, predictions_file
from records.ledger import Ledger
from search import run as command
from tests import made_up
from tests.made_runs import put


@pytest.fixture
def section(tmp_path):
    return sections([load_run(made_up.write(tmp_path, "h"))])[0]


def test_the_table_of_arms_is_as_worked_out_by_hand(section):
    # means .94, .93, .91, .86; sd .01, .01732, .01, .01; t(0.975, 2) / sqrt(3) = 2.48414
    golden = """\
| arm | seeds | accuracy | report's accuracy | loss | report's loss | KNN | report's KNN | best epoch | seconds | updates | images trained | images scored |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| self_paced | 3 | 0.940 (0.915 to 0.965) | 0.97 | 0.300 (0.300 to 0.300) | 0.13 | 0.900 (0.900 to 0.900) | 0.94 | 4 of 4 | 4.0 | 40 | 40 | 80 |
| self_paced/random | 3 | 0.930 (0.887 to 0.973) | – | 0.300 (0.300 to 0.300) | – | 0.900 (0.900 to 0.900) | – | 4 of 4 | 4.0 | 40 | 40 | 80 |
| finetune | 3 | 0.910 (0.885 to 0.935) | – | 0.300 (0.300 to 0.300) | – | 0.900 (0.900 to 0.900) | – | 4 of 4 | 4.0 | 40 | 40 | 80 |
| transfer | 3 | 0.860 (0.835 to 0.885) | 0.88 | 0.300 (0.300 to 0.300) | 0.38 | 0.900 (0.900 to 0.900) | 0.66 | 4 of 4 | 0.4 | 40 | 40 | 80 |
"""  # noqa: E501
    assert as_markdown(display.arms(tables.arm_summary(section))) == golden


def test_one_seed_has_no_interval_in_the_table(tmp_path):
    section = sections([load_run(made_up.write(tmp_path, "h", seeds=1))])[0]
    table = tables.arm_summary(section)
    assert table["accuracy_low"].isna().all() and display.arms(table)["accuracy"].tolist()[0] == "0.930"


def test_part_one_says_not_run(section):
    table = part_one([section])
    assert table["ours"].tolist() == ["not run", "not run", "transfer", "not run", "not run", "not run"]
    row = table[table["ours"] == "transfer"].iloc[0]
    assert row["accuracy"] == pytest.approx(0.86) and row["remark"] == "4 epochs of 50; picked on validation"


def test_the_head_alone_does_not_stand_for_a_whole_network_of_the_reports(tmp_path):
    weights = {"model": "vit_s_14", "weights": "/w/vit_s_14-dinov2-saliency.safetensors"}
    setting = made_up.about("h")["setting"] | weights
    folder = made_up.write(tmp_path, "h", setting=setting, config={"unfreeze": "head"}, arms=("finetune", "self_paced"))
    table = part_one(sections([load_run(folder)]))
    assert table["ours"].tolist() == ["not run"] * len(table)


def test_plain_training_of_the_head_is_the_reports_transfer(tmp_path):
    folder = made_up.write(tmp_path, "h", config={"unfreeze": "head"}, arms=("finetune", "self_paced"))
    section = sections([load_run(folder)])[0]
    table = part_one([section]).set_index("trained")
    assert table["ours"].to_dict() == dict.fromkeys(table.index, "not run") | {
        "frozen ResNet18, ImageNet to RSSCN7": "finetune"
    }
    theirs = tables.arm_summary(section).set_index("arm")["report_accuracy"]
    assert theirs["finetune"] == 0.88 and np.isnan(theirs["self_paced"])


def test_a_pretrained_transformer_stands_in_for_the_reports_and_says_which_it_is(tmp_path):
    setting = made_up.about("h")["setting"] | {
        "model": "vit_s_14",
        "weights": "/w/vit_s_14-dinov2-saliency.safetensors",
    }
    table = part_one(sections([load_run(made_up.write(tmp_path, "h", setting=setting))]))
    ours = table.set_index("trained")["ours"]
    assert ours["ViT-B/16, ImageNet to RSSCN7"] in ("finetune", "transfer")
    assert (ours.drop("ViT-B/16, ImageNet to RSSCN7") == "not run").all()
    said = table.set_index("trained").loc["ViT-B/16, ImageNet to RSSCN7", "remark"]
    assert said.startswith("vit_s_14 from vit_s_14-dinov2-saliency, not vit_b_16 from imagenet; ")


def test_a_frozen_transformer_from_textures_stands_in_for_a_whole_one_and_says_so(tmp_path):
    setting = made_up.about("h")["setting"] | {"model": "vit_b_16", "weights": "/runs/scratch-dtd/best.safetensors"}
    table = part_one(sections([load_run(made_up.write(tmp_path, "h", setting=setting, arms=("transfer",)))]))
    row = table.set_index("trained").loc["ViT-B/16, DTD to RSSCN7"]
    assert row["ours"] == "transfer" and row["remark"].startswith("frozen, not fine-tuned; ")
    assert (table["ours"] != "not run").sum() == 1
    whole = made_up.write(tmp_path / "whole", "h", setting=setting, arms=("finetune", "transfer"))
    row = part_one(sections([load_run(whole)])).set_index("trained").loc["ViT-B/16, DTD to RSSCN7"]
    assert row["ours"] == "finetune" and "frozen" not in row["remark"]


def test_one_label_an_image_stands_in_for_several_and_says_so(tmp_path):
    data = made_up.about("h")["data"] | {"name": "dtd"}
    setting = made_up.about("h")["setting"] | {"data": "dtd", "model": "vit_b_16", "weights": "none"}
    figures = made_up.Figures(accuracy=lambda arm, seed: 0.4)
    folder = made_up.write(tmp_path, "h", data=data, setting=setting, arms=("scratch",), figures=figures)
    row = part_one(sections([load_run(folder)])).set_index("trained").loc["ViT-B/16 from scratch on DTD"]
    assert row["ours"] == "scratch" and row["remark"].startswith("one label an image, not several; ")


def test_a_class_that_nothing_was_predicted_as_is_said(section):
    table = errors.errors_by_class(section, ["self_paced"])
    assert errors.never_predicted(table) == ["self_paced predicted gParking for no image at all."]


def test_misclassified_images_come_most_confident_first(section):
    table = errors.misclassified_images(section, "self_paced")
    assert table["image"].tolist() == [14, 15] and table["true"].unique().tolist() == ["gParking"]
    assert table["predicted"].unique().tolist() == ["aGrass"] and table["confidence"].is_monotonic_decreasing


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    folder = made_up.write(place, "h")
    assert report.main([str(folder), "--out", str(place / "out")]) == command.DONE
    return place / "out"


def test_the_chapters_are_short_and_the_details_come_last(written):
    titles = re.findall(r"<h2>(.*?)</h2>", (written / "index.html").read_text())
    assert titles == [
        "Seed by seed", "The arms", "What they trained on", "What it cost", "What they get wrong", "The verdict in full",
        "The 2024 report", "What was run", "How this was calculated",
    ]  # fmt: skip
    assert next(re.finditer(r"^## (.*)$", (written / "report.md").read_text(), re.M))[1] == "Seed by seed"


def test_parquet_tables_say_what_they_are_of(written):
    metadata = json.loads(pyarrow.parquet.read_schema(written / "data" / "arms.parquet").metadata[b"curriculum_tune"])
    assert metadata["about"]["runs"][0]["run"] == "h" and metadata["units"]["losses"] == "nats"
    frame = pd.read_parquet(written / "data" / "arms.parquet")
    assert frame["accuracy"].to_numpy() == pytest.approx([0.94, 0.93, 0.91, 0.86])


def test_mixed_protocols_are_kept_apart_and_said(tmp_path):
    made = made_up.about("x")
    a = made_up.write(tmp_path, "a")
    b = made_up.write(tmp_path, "b", setting=made["setting"] | {"protocol": "report"})
    assert report.main([str(a), str(b), "--out", str(tmp_path / "out")]) == command.DONE
    text = (tmp_path / "out" / "report.md").read_text()
    assert "never averaged together" in text
    for number, run in ((1, "a"), (2, "b")):
        assert pd.read_parquet(tmp_path / "out" / "data" / f"arms_{number}.parquet")["run"].unique().tolist() == [run]


def test_a_cut_off_ledger_is_read_and_said(tmp_path, capsys):
    folder = made_up.write(tmp_path, "h")
    ledger = folder / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-30])
    assert "cut off" in load_run(folder).notes[0]
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == command.DONE
    assert "last line of the ledger is cut off" in (tmp_path / "out" / "report.md").read_text()


def test_a_damaged_line_in_the_middle_is_refused(tmp_path, capsys):
    folder = made_up.write(tmp_path, "h")
    lines = (folder / "ledger.jsonl").read_text().splitlines()
    lines[3] = lines[3][:40]
    (folder / "ledger.jsonl").write_text("\n".join(lines) + "\n")
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == command.WRONG_USAGE
    assert "line 4 is damaged" in capsys.readouterr().err


def test_a_run_of_another_version_is_read_and_said(tmp_path):
    folder = made_up.write(tmp_path, "h", versions={"curriculum-tune": "0.0.1"})
    assert any("made by curriculum-tune 0.0.1" in note for note in load_run(folder).notes)


def test_failed_trials_are_in_no_average_and_are_said(tmp_path):
    folder = made_up.write(tmp_path, "h")
    ledger = Ledger(folder)
    put(ledger, "asked", trial=99, anchor=None, values={}, config={})
    put(ledger, "ended", trial=99, state="failed", reason="NonFiniteLoss: it diverged", peak_memory_mb=1.0)
    ledger.close()
    run = load_run(folder)
    assert "1 trial failed: NonFiniteLoss: it diverged." in run.notes
    assert 99 not in sections([run])[0].arms["trial"].tolist()


def test_a_running_head_to_head_shows_validation_and_says_so(tmp_path):
    folder = made_up.write(tmp_path, "h", tests=False, predictions=False)
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == command.DONE
    text = (tmp_path / "out" / "report.md").read_text()
    assert "since test is not open for all of them yet" in text and "No predictions are here yet" in text
    assert pd.read_parquet(tmp_path / "out" / "data" / "arms.parquet")["judged_on"].unique().tolist() == ["validation"]


def test_a_damaged_prediction_file_is_named(tmp_path, capsys):
    folder = made_up.write(tmp_path, "h")
    predictions_file(folder, 0, "test").write_bytes(b"not this")
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == command.WRONG_USAGE
    assert "0000.test.safetensors cannot be read" in capsys.readouterr().err


def test_intervals_of_the_forest_figure_are_drawn_as_they_are():
    marks = [Mark(3.0, -np.inf, np.inf, "", ""), Mark(1.0, -2.0, 4.0, "undecided", "")]
    rows = tuple(Row(name, "", name, (mark,)) for name, mark in zip("ab", marks, strict=True))
    axes = compose(forest_panels(Forest((("Is it?", rows),), ("test",), "difference, points", 1.0))).axes[0]
    lines = [list(np.round(line.get_xdata(), 6)) for line in axes.lines]
    assert lines == [[0, 0], [3.0], [-2.0, 4.0], [1.0]]  # without an interval: a dot
    band = axes.patches[0].get_bbox()
    assert (band.x0, band.x1) == (-1.0, 1.0)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["Is it?", "a", "b"]


def test_fields_of_a_newer_version_are_one_sentence(tmp_path, capsys):
    folder = made_up.write(tmp_path, "h", versions={"curriculum-tune": "9.9"})
    ledger = folder / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"eval_knn"', '"novel": 1, "eval_knn"'))
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == command.WRONG_USAGE
    said = capsys.readouterr().err
    assert "made by curriculum-tune 9.9" in said and "novel" in said and said.count("\n") == 1


def test_of_several_labels_any_one_is_right_and_there_is_no_confusion(tmp_path):
    made = made_up.about("h")
    folder = made_up.write(tmp_path, "h", setting=made["setting"] | {"task": "multi_label"})
    for path in (folder / "predictions").iterdir():
        arrays, text = read_arrays(path)
        write_arrays(path, arrays | {"correct": np.ones(6, bool), "targets": np.ones((6, 3), bool)}, text)
    section = sections([load_run(folder)])[0]
    assert (errors.errors_by_class(section, ["self_paced"])["misclassified"] == 0).all()
    assert section.title.endswith("multi-label, protocol holdout")
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == command.DONE
    assert "errors_confusion" not in (tmp_path / "out" / "index.html").read_text()


def test_no_folder_of_the_machine_is_in_a_report(tmp_path):
    command_line = (
        "python -m search.compare --data-root /home/me/my-data/rsscn7 --weights /w/r.pth --out runs/a --lr 1/2"
    )
    data = made_up.about("h")["data"]
    folders = [made_up.write(tmp_path, name, command=command_line,
                             data=data | {"name": f"/home/me/data/{name}", "digest": name}) for name in "hi"]  # fmt: skip
    folder = folders[0]
    shown_as = "python -m search.compare --data-root …/rsscn7 --weights …/r.pth --out runs/a --lr 1/2"
    assert load_run(folder).command == shown_as
    assert report.main([*map(str, folders), "--out", str(tmp_path / "out"), "--figures"]) == command.DONE
    comparison.write_comparison(folder)
    for path in (folder / "comparison.md", *(tmp_path / "out").rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            assert b"/home/me" not in content and str(tmp_path).encode() not in content, path
    assert "…/i" in (tmp_path / "out" / "report.md").read_text()


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "a|b\n\n# Heading",
    "[click](http://evil.example)",
    "\\|c",
    "\x1b[2J",
    "plain",
]


@pytest.mark.filterwarnings("error")  # matplotlib warns of what its font lacks
def test_nothing_of_a_report_moves_the_cursor_of_a_terminal(tmp_path):
    name = "\x1b[31m<b>|x\x07\x9b2J"
    data = made_up.about("h")["data"]
    folder = made_up.write(tmp_path, "h", data=data | {"classes": [name, *data["classes"][1:]], "name": name})
    assert report.main([str(folder), "--out", str(tmp_path / "out"), "--figures"]) == command.DONE
    for page in ("index.html", "report.md", *(tmp_path / "out" / "figures").glob("*.svg")):
        assert CONTROL.search((tmp_path / "out" / page).read_text()) is None, page
    assert "\\x1b[31m&lt;b&gt;|x\\x07\\x9b2J" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_shown_in_markdown_and_does_nothing_there(tmp_path, name):
    data = made_up.about("h")["data"]
    folder = made_up.write(tmp_path, "h", data=data | {"classes": [name, *data["classes"][1:]], "name": name})
    found = [load_run(folder)]
    said = write_markdown(replace(make_report(sections(found)), title=name))
    assert not re.search(r"(?<!\\)<img|(?<!\\)\]\(http|\x1b|^# Heading", said, re.MULTILINE)
    widths = {re.sub(r"\\\\|\\\|", "", line).count("|") for line in said.splitlines() if line.startswith("| run |")
              or "| head-to-head |" in line}  # fmt: skip
    assert len(widths) == 1
    table = as_markdown(pd.DataFrame({name: [name, "x"]})).splitlines()
    assert len(table) == 4 and {re.sub(r"\\\\|\\\|", "", line).count("|") for line in table} == {2}


def test_the_comparison_says_what_the_report_says(tmp_path):
    folder = made_up.write(tmp_path, "h")
    text = comparison.write_comparison(folder)
    table = verdict.pairs(sections([load_run(folder)])[0])
    planned = table[table["planned"]]
    assert (
        len(planned) == 2
        and [line[2:] for line in text.splitlines() if line.startswith("- ")] == planned["sentence"].tolist()
    )
    assert "| self_paced | 3 | 0.940 (0.915 to 0.965) | 0.97 |" in text
    assert pd.read_parquet(folder / "comparison.parquet")["arm"].tolist() == list(made_up.ARMS)


def test_a_comparison_without_baseline_or_twin_says_so(tmp_path):
    folder = made_up.write(tmp_path, "h", arms=("self_paced", "transfer"))
    text = comparison.write_comparison(folder)
    assert "No pair of these arms was planned, so no word is given (rsscn7 at 256 px" in text and "\n- " not in text


def test_a_comparison_waits_for_its_end(tmp_path):
    with pytest.raises(UsageError, match="let the comparison end first"):
        comparison.write_comparison(made_up.write(tmp_path, "h", tests=False))


def test_a_run_stopped_in_a_later_round_is_judged_by_what_was_tested(tmp_path):
    folder = made_up.write(tmp_path, "h", seeds=4, tests=False)
    ledger, tested = Ledger(folder), 3 * len(made_up.ARMS)
    for trial in range(tested):
        put(ledger, "test", trial=trial, accuracy=0.5 + 0.01 * trial, loss=0.3, knn=0.9)
    ledger.close()
    run = load_run(folder)
    (section,) = sections([run])
    text, left_out = comparison.write_comparison(folder), f"Left out: {len(made_up.ARMS)} complete trials"
    assert (
        len(section.arms) == tested and section.judged_on == "test" and set(section.arms["trial"]) == set(range(tested))
    )
    assert left_out in text and any(left_out in note for note in run.notes)
    assert set(comparison.compared(folder).arms["seeds"]) == {3}
    assert left_out in comparison.in_terminal(folder, comparison.compared(folder))


def test_the_initialisation_is_told_from_the_run_that_made_it_or_its_name(tmp_path):
    assert initialisation("/w/resnet18-imagenet1k_v1.pth") == "imagenet" == initialisation("imagenet")
    assert initialisation("dtd_small.pth") == "dtd" and initialisation("none") == "none"
    maker = made_up.write(tmp_path, "x", data=made_up.about("x")["data"] | {"name": "dtd"})
    assert initialisation(str(best_weights(maker, 0))) == "dtd"
    assert initialisation("/w/other.pth") == "other"


def test_no_two_things_on_the_page_have_one_name(written):
    names = re.findall(r'\bid="([^"]+)"', (written / "index.html").read_text())
    assert len(names) == len(set(names)) > 20


def test_a_head_to_head_whose_first_trial_still_runs_has_a_report(tmp_path):
    folder = made_up.write(tmp_path, "h", arms=("self_paced",), seeds=1, tests=False, predictions=False)
    lines = (folder / "ledger.jsonl").read_text().splitlines()
    (folder / "ledger.jsonl").write_text("\n".join(lines[:-1]) + "\n")  # it has not ended
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == command.DONE
    text = (tmp_path / "out" / "report.md").read_text()
    assert "h: 1 trial had not ended when this was read." in text and "No trial of h has come to its end yet." in text


def test_a_search_that_lost_every_trial_but_one_epoch_has_a_report(tmp_path):
    folder = made_up.write_search(tmp_path, "s", trials=3, epochs=2)
    text = (
        (folder / "ledger.jsonl")
        .read_text()
        .replace('"state": "complete", "reason": ""', '"state": "failed", "reason": "x"')
    )
    (folder / "ledger.jsonl").write_text(text)
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == command.DONE
    assert "3 trials failed: x." in (tmp_path / "out" / "report.md").read_text()


def test_two_broken_lines_that_make_sense_together_are_refused(tmp_path):
    folder = made_up.write(tmp_path, "h", seeds=1)
    ledger = folder / "ledger.jsonl"
    ledger.write_text(ledger.read_text() + '{"event": "odd", "values": [1\n2]}\n')
    with pytest.raises(UsageError, match=r"line \d+ is damaged"):
        load_run(folder)


def test_two_head_to_heads_on_the_same_data_stand_in_one_section(tmp_path):
    folders = [str(made_up.write(tmp_path, name)) for name in ("one", "two")]
    out = tmp_path / "out"
    assert report.main([*folders, "--out", str(out)]) == command.DONE
    assert len(pd.read_parquet(out / "data" / "arms.parquet")) == 8
    parts = pd.read_parquet(out / "data" / "gain.parquet")
    assert parts["curriculum"].unique().tolist() == ["self_paced [one]", "self_paced [two]"]
    assert "Figures show the first 6" not in (out / "report.md").read_text()


def test_the_summary_is_the_answer_to_each_comparison_and_search(tmp_path):
    folders = [made_up.write(tmp_path, "h"), made_up.write_search(tmp_path, "s", trials=2, epochs=2)]
    said = make_report(sections([load_run(folder) for folder in folders])).summary
    assert said[0].startswith(
        "Undecided. self_paced is 3.0 points ahead of finetune (too few seeds for an interval, 3 seeds)"
    )
    assert said[1].startswith("Search s: ") and "The best of 2 trials, trial" in said[1] and len(said) == 2


def test_what_else_is_said_of_a_section_stands_in_a_chapter_of_its_own(tmp_path):
    """Two sections that differ in their digest alone have one title."""
    data = made_up.about("x")["data"]
    runs = [load_run(made_up.write(tmp_path, name, data=data | {"digest": name})) for name in ("a", "b")]
    runs += [load_run(made_up.write_search(tmp_path, "s", trials=2, epochs=2))]
    found = make_report(sections(runs), more=lambda section, suffix: [Sentences([section.runs[0].name + suffix])])
    said = [chapter.parts[0].lines for chapter in found.chapters if chapter.title == "The images"]
    assert said == [["a_1"], ["b_2"], ["s_3"]]


def test_the_package_loads_what_it_exports_when_asked():
    code = (
        "import sys, analysis\n"
        "assert not {'pandas', 'numpy'} & sys.modules.keys()\n"
        "assert analysis.report.report and all(getattr(analysis, name) for name in analysis.__all__)\n"
        "assert not {'torch', 'ray'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        analysis.nothing  # noqa: B018
