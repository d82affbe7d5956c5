"""Who is told that a rate is one for other networks, and who is not."""

import pytest
import torch

from search import compare, run
from trainables.networks.models import build

SAID = "vit_tiny is a vision transformer"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of a vision transformer that somebody has trained before."""
    file = tmp_path_factory.mktemp("weights") / "vit.pt"
    torch.save(build("vit_tiny", 7, "none", 0, 16).backbone.state_dict(), file)
    return str(file)


def said_of(main, words, capsys):
    """What a dry run says, in one line."""
    data = ["--data", "scenes:count=70", "--image-size", "16", "--dry-run", "--gpus-per-trial", "0"]
    assert main([*data, *words]) == 0
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("words", "told"), [
    ([], True),
    (["--set", "learning_rate=1e-4"], True),
    (["--set", "learning_rate=3e-5"], False),
    (["--search", "learning_rate=1e-6:1e-4:log"], False),
    (["--search", "learning_rate=1e-5:2e-4"], True),
    (["--train", "last_block"], False),
    (["--train", "head"], False),
])  # fmt: skip
def test_of_a_search_it_is_the_middle_of_what_is_drawn_for_whole_networks(words, told, weights, capsys):
    asked = ["--space", "finetune", "--model", "vit_tiny", "--weights", weights, *words]
    assert (SAID in said_of(run.main, asked, capsys)) is told


@pytest.mark.parametrize(("arms", "told"), [
    ("finetune", True),
    ("finetune+learning_rate=3e-5,transfer", False),
    ("finetune+learning_rate=3e-5,self_paced", True),
    ("finetune+learning_rate=3e-5,scratch", False),
])  # fmt: skip
def test_of_a_head_to_head_it_is_the_highest_rate_of_a_whole_network(arms, told, weights, capsys):
    asked = ["--strategies", arms, "--model", "vit_tiny", "--weights", weights]
    assert (SAID in said_of(compare.main, asked, capsys)) is told


@pytest.mark.parametrize("network", [["--model", "small_cnn"], ["--model", "vit_tiny", "--weights", "none"]])
def test_other_networks_and_random_weights_take_any_rate(network, capsys):
    assert "vision transformer" not in said_of(run.main, ["--space", "finetune", *network], capsys)
