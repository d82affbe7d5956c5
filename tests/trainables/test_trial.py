"""What a trial keeps of its best epoch, where a machine that went down has taken a part of what was recorded."""

import json

from records.files import read_text
from records.folder import best_weights
from spaces.self_paced import SelfPacedConfig
from tests.toy import make_trial


def kept(folder) -> int:
    """The epoch that the network on disk is of."""
    return json.loads(read_text(best_weights(folder, 0), "record") or "{}")["epoch"]


def test_an_epoch_that_was_lost_does_not_take_the_place_of_a_better_later_one(tmp_path):
    """Killed again before it came to its best epoch, the trial would have lost that one's network for good."""
    config = SelfPacedConfig(batch_size=8, learning_rate=3e-3, share_start=1.0)
    (tmp_path / "ledger.jsonl").touch()
    assert len(list(make_trial(config, tmp_path, epochs=6).records())) == 6
    best = kept(tmp_path)
    assert best > 2  # else there would be nothing to lose
    again = make_trial(config, tmp_path, epochs=6)
    assert again.resume() == []  # the ledger knows of no epoch: all are trained again
    seen = [(record.epoch, kept(tmp_path)) for record in again.records()]
    assert seen == [(epoch, best) for epoch in range(1, 7)]
