"""--help of every command: in groups, as wide as the terminal, with what the command uses; and flags that are misspelt."""

import importlib
import re

import pytest

from console.fields import as_argument, group_of, limits_of
from search.divide import DivideOptions
from search.options import CompareOptions, SearchOptions
from tests import made_up
from tests.test_commands import SCRIPTS

MODULES = [place.partition(":")[0] for place in SCRIPTS.values()]
OPTIONS = {"search.run": SearchOptions, "search.compare": CompareOptions, "search.divide": DivideOptions}
GROUPS = {
    "search.run": ["general", "data", "network", "training", "search", "verdict", "machine", "output"],
    "search.compare": ["general", "data", "network", "training", "comparison", "verdict", "machine", "output"],
    "search.divide": ["general", "data", "network", "training", "machine", "output"],
}
MISSPELT = {
    "search.run": ("--epoch", "--epochs"),
    "search.compare": ("--stratgies", "--strategies"),
    "search.divide": ("--image_size", "--image-size"),
    "search.predict": ("--batch", "--batch-size"),
    "search.status": ("--wach", "--watch"),
    "search.dashboard": ("--prot", "--port"),
    "search.replay": ("--epoch", "--epochs"),
    "search.export": ("--per-stategy", "--per-strategy"),
    "search.track": ("--url", "--uri"),
    "analysis.report": ("--image", "--images"),
    "analysis.comparison": ("--plugins", "--plugin"),
    "analysis.explain": ("--sample", "--samples"),
    "analysis.difficulty": ("--divison", "--division"),
}


def said(capsys, module: str, *words: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command that ends while its words are read."""
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main(list(words))
    return ended.value.code, *capsys.readouterr()


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("module", MODULES)
def test_help_is_as_wide_as_the_terminal(module, columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    status, text, _ = said(capsys, module, "--help")
    assert status == 0 and max(map(len, text.splitlines())) <= columns
    assert re.search(r"--plugin MODULE", text) and "--attached" not in text


@pytest.mark.parametrize("module", OPTIONS)
def test_flags_stand_in_their_groups_and_the_first_lines_are_few(module, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, text, _ = said(capsys, module, "--help")
    usage = text.partition("\n\n")[0]
    assert usage.count("\n") == 0 and usage.startswith(f"usage: python -m {module} [") and usage.endswith(" [options]")
    assert re.findall(r"^(\w+):$", text, re.MULTILINE) == GROUPS[module]
    parts = dict(re.findall(r"^(\w+):\n((?:  .*\n)+)", text, re.MULTILINE))
    for name in OPTIONS[module].model_fields:
        flag, group = f"--{name.replace('_', '-')}", group_of(OPTIONS[module], name)
        assert re.search(rf"^  {flag}\b", parts["general" if name == "plugin" else group], re.MULTILINE), flag


@pytest.mark.parametrize(("name", "shown"), [
    ("epochs", "(12; 1 to 1,000,000)"),
    ("image_size", "takes none such; 8 to 1,024)"),
    ("train_share", "(1.0; above 0 to 1)"),
    ("seed", "(0; 0 to 2,147,483,647)"),
    ("sampler", "; one of tpe, random, grid, cmaes, gp, motpe, nsga2 (tpe)"),
    ("gpus_per_trial", "; 0 or more)"),
    ("data", " or not) (scenes)"),
])  # fmt: skip
def test_help_shows_limits_and_defaults(name, shown):
    assert as_argument(name, SearchOptions.model_fields[name])["help"].endswith(shown)
    assert limits_of(SearchOptions.model_fields["space"]) == ""


@pytest.mark.parametrize("module", MODULES)
def test_a_misspelt_flag_is_answered_in_one_sentence_with_the_nearest(module, capsys):
    wrong, right = MISSPELT[module]
    status, out, error = said(capsys, module, wrong, "3")
    assert status == 2 and not out
    assert error == f"python -m {module}: Unknown flag {wrong}; did you mean {right}?\n"


def test_what_stands_after_two_dashes_is_no_flag(capsys, tmp_path):
    from search import status

    assert status.main(["--", "--wach"]) == 2
    assert "--wach" in capsys.readouterr().err


UNUSED = {
    "search.divide": ("--dashboard", "--epochs", "--split", "--train-share", "--executor", "--keep", "--name", "--metric",
                      "--protocol", "--verify", "--concurrent", "--track", "--train", "--address", "--max-failures"),
    "search.compare": ("--keep", "--samples", "--sampler", "--scheduler", "--space"),
    "search.run": ("--seeds", "--twins", "--budget", "--margin"),
}  # fmt: skip


@pytest.mark.parametrize(("module", "flag"), [(module, flag) for module, flags in UNUSED.items() for flag in flags])
def test_a_flag_that_a_command_does_not_use_is_not_offered(module, flag, capsys):
    status, _, error = said(capsys, module, flag)
    assert status == 2 and f"Unknown flag {flag}" in error


@pytest.mark.parametrize(("module", "words", "sentence"), [
    ("search.predict", ["nowhere", "x.png", "--overwrite"], "--overwrite is of the table that --out names"),
    ("search.export", ["{runs}", "--overwrite"], "--overwrite is of the table that --out names"),
    ("search.export", ["{runs}", "--format", "csv"], "--format is of the table that --out names"),
    ("search.export", ["{runs}", "--trial", "1"], "--trial and --images are of a network"),
    ("search.track", ["{runs}/s", "--to", "tensorboard", "--uri", "x"], "--uri"),
    ("search.run", ["--until-decided"], "Unknown flag --until-decided"),
    ("search.compare", ["--max-seeds", "9", "--address", "here:1", "--executor", "local"],
     "--max-seeds has an effect beside --until-decided alone"),
])  # fmt: skip
def test_a_flag_without_effect_is_refused(module, words, sentence, capsys, tmp_path):
    made_up.write_search(tmp_path, "s", trials=1, epochs=1)
    before = sorted(tmp_path.rglob("*"))
    try:
        status = importlib.import_module(module).main([word.replace("{runs}", str(tmp_path)) for word in words])
    except SystemExit as ended:
        status = ended.code
    assert status == 2 and sentence in capsys.readouterr().err and sorted(tmp_path.rglob("*")) == before
