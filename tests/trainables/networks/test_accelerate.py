"""Updates as graphs and compiled networks against the same ones op by op; capturing itself wants a GPU (test_cuda.py)."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from console.errors import UsageError
from spaces.trial import TrialConfig
from tests.toy import CLASSES, HELD_OUT, TRAIN, pictures, same_tensors
from trainables.networks import accelerate
from trainables.networks.accelerate import Graph, check_accelerate, forward_of, unchanged
from trainables.networks.engine import Engine, Manner
from trainables.networks.models import build
from trainables.networks.warm_up import warm_up
from trainables.views import draw_views

ORDER = TRAIN[:36]  # four full batches and a short one
RATES = np.full(5, 2.0**-7)  # the same in float32 and float64


def made(way: str = "none", precision: str = "fp32", size: int = 8, **config) -> Engine:
    images, labels = pictures(size=size)
    network = build("small_cnn", CLASSES, "none", 0, size)
    asked = TrialConfig(**{"batch_size": 8, **config})
    return Engine(network, images, labels, asked, "cpu", precision, accelerate=way)


@pytest.fixture
def uncaptured(monkeypatch):
    """Graphs whose update is made anew where it would be replayed; gives the list of these times."""
    times: list[int] = []

    def captured(graph: Graph, engine: Engine) -> bool:
        with unchanged(engine):
            for _ in range(3):
                graph.make(engine)
        graph.replay = lambda: (times.append(len(graph.index)), graph.make(engine))
        return True

    monkeypatch.setattr(Graph, "_captured", captured)
    return times


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_update_that_is_captured_gives_the_same_numbers(uncaptured, optimizer, precision):
    config = {"optimizer": optimizer, "weight_decay": 0.01, "head_rate": 2.0, "label_smoothing": 0.1}
    plain, graph = made(precision=precision, **config), made("graph", precision, **config)
    for _ in range(3):
        assert plain.train(ORDER, RATES) == graph.train(ORDER, RATES)
    assert uncaptured == [8] * 12  # short batches are trained op by op
    assert same_tensors(plain.state(), graph.state())
    assert plain.evaluate(HELD_OUT).loss == graph.evaluate(HELD_OUT).loss


def test_rates_that_float32_rounds_give_the_same_numbers_to_that(uncaptured):
    plain, graph = made(), made("graph")
    rates = np.linspace(1e-2, 1e-3, 5)
    a, b = ([engine.train(ORDER, rates).loss for _ in range(3)] for engine in (plain, graph))
    assert a == pytest.approx(b, rel=1e-5)
    assert all(rate.dtype == torch.float32 for group in graph.optimizer.param_groups for rate in [group["lr"]])


def test_every_update_goes_by_its_own_rate(uncaptured):
    graph, used = made("graph", head_rate=2.0), []
    make = Graph.make
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Graph, "make", lambda self, engine: used.append(
            tuple(float(group["lr"]) for group in engine.optimizer.param_groups)) or make(self, engine))  # fmt: skip
        graph.train(ORDER, np.array([1.0, 2.0, 4.0, 8.0, 16.0]) / 1024)
    assert used[3:] == [(n / 1024, 2 * n / 1024) for n in (1, 2, 4, 8)]


def test_what_a_graph_does_not_fit_is_trained_op_by_op(uncaptured):
    config = TrialConfig(batch_size=8, augment="flips")
    views = draw_views(config, 0, 1, np.arange(len(ORDER)), len(ORDER), (16, 16))
    graph = made("graph", size=16)
    for more in ({"weights": np.ones(len(ORDER))}, {"views": views}, {"manner": Manner(keeps_losses=True)},
                 {"manner": Manner(side=8)}):  # fmt: skip
        assert graph.train(ORDER, RATES, **more) is not None and not uncaptured
    assert made("graph", "fp16").graph is None and made("graph", augment="flips").graph is None
    assert made("graph", class_weight="balanced").graph is None and made("none").graph is None
    assert made("auto").graph is None and made("compile").graph is None


def test_another_optimiser_or_state_wants_another_graph(uncaptured):
    graph, plain = made("graph"), made()
    for engine in (graph, plain):
        engine.train(ORDER, RATES)
        first = engine.graph
        engine.fresh_optimizer()
        assert engine.graph is None or engine.graph is not first
        engine.train(ORDER, RATES)
    assert same_tensors(graph.state(), plain.state())
    kept, second = {name: value.clone() for name, value in graph.state().items()}, graph.graph
    other = made("graph")
    other.train(ORDER, RATES)
    before = other.graph
    other.restore(kept)
    assert other.graph is not before and graph.graph is second
    for engine in (graph, plain, other):
        engine.train(ORDER, RATES)
    assert same_tensors(graph.state(), plain.state()) and same_tensors(other.state(), plain.state())


@pytest.fixture
def gpu(monkeypatch):
    """Streams, graphs and captures that do nothing: what is between them runs here."""
    stream = SimpleNamespace(wait_stream=lambda other: None)
    idle = type("Idle", (), {"__enter__": lambda self: None, "__exit__": lambda self, *error: None})
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: idle())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: None))
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream, capture_error_mode: idle())


def test_capturing_leaves_no_trace(gpu):
    """The warm-up updates are taken back: with a replay that does nothing, nothing has been trained."""
    for trained in (False, True):
        engine = made("graph")
        if trained:
            engine.train(TRAIN[:4], RATES[:1])
        before, drawn = {name: value.clone() for name, value in engine.state().items()}, torch.get_rng_state()
        engine.train(TRAIN[:8], RATES[:1])
        assert engine.graph.fits and torch.equal(torch.get_rng_state(), drawn)
        after = engine.state()
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert all(not after[name].any() for name in after.keys() - before.keys())  # slots that are as new


def test_a_network_that_draws_numbers_is_trained_op_by_op(gpu):
    noisy, plain = made("graph"), made()
    for engine in (noisy, plain):
        engine.network.head = nn.Sequential(nn.Dropout(0.5), engine.network.head)
        engine.fresh_optimizer()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            engine.shown = engine.train(ORDER, RATES)
    assert noisy.graph.fits is False and noisy.shown == plain.shown


def test_what_cannot_be_captured_is_said_once_and_trained_op_by_op(gpu, monkeypatch, capsys):
    def refused(graph, stream, capture_error_mode):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "graph", refused)
    odd, plain = made("graph"), made()
    assert odd.train(ORDER, RATES) == plain.train(ORDER, RATES) and same_tensors(odd.state(), plain.state())
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(
        "--accelerate graph does not fit small_cnn (operation not permitted"
    )


def test_a_warm_up_leaves_no_trace():
    warm, cold = made(optimizer="adamw", weight_decay=0.1), made(optimizer="adamw", weight_decay=0.1)
    drawn = torch.get_rng_state()
    warm_up(warm)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert [warm.train(ORDER, RATES) for _ in range(2)] == [cold.train(ORDER, RATES) for _ in range(2)]
    assert same_tensors(warm.state(), cold.state())


def test_a_network_that_does_not_compile_is_said_and_trained_without(monkeypatch, capsys):
    def broken(x):
        raise RuntimeError("no kernel for this")

    monkeypatch.setattr(torch, "compile", lambda network, dynamic: broken)
    odd, plain = made("compile"), made()
    warm_up(odd)
    assert "--accelerate compile does not fit small_cnn (no kernel for this): it is trained without." in (
        capsys.readouterr().err
    )
    assert odd.train(ORDER, RATES) == plain.train(ORDER, RATES)


def test_full_batches_alone_go_through_what_is_compiled(monkeypatch):
    seen = []
    monkeypatch.setattr(
        torch, "compile", lambda network, dynamic: lambda x: seen.append((len(x), dynamic)) or network(x)
    )
    made("compile").train(ORDER, RATES)
    assert seen == [(8, False)] * 4
    network = nn.Linear(2, 2)
    assert forward_of(network, "auto") is forward_of(network, "none") is forward_of(network, "graph") is network


@pytest.mark.parametrize(
    ("device", "way", "said"),
    [("cpu", "graph", "--accelerate graph is for GPUs, and trials run on the CPU here; pass none or compile."),
     ("cpu", "compile", "--accelerate compile wants a C++ compiler, and there is no g++ here; install one, or pass none."),
     ("cuda", "compile", "--accelerate compile wants triton on a GPU, and it is not here; install it, or pass none.")],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_a_sentence(monkeypatch, device, way, said):
    monkeypatch.setattr(accelerate.shutil, "which", lambda name: None)
    monkeypatch.setattr(accelerate, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=f"^{re.escape(said)}$"):
        check_accelerate(device, way)
    for easy in ("auto", "none"):
        check_accelerate(device, easy)


@pytest.mark.slow
def test_a_compiled_network_gives_the_same_numbers_to_rounding():
    plain, compiled = made(size=16), made("compile", size=16)
    warm_up(compiled)
    assert compiled.forward is not compiled.network
    for _ in range(3):
        a, b = plain.train(ORDER, RATES), compiled.train(ORDER, RATES)
        assert a.loss == pytest.approx(b.loss, rel=1e-4) and a.accuracy == b.accuracy
    assert plain.evaluate(HELD_OUT).loss == pytest.approx(compiled.evaluate(HELD_OUT).loss, rel=1e-3)


def test_networks_are_compiled_however_many_a_process_has_compiled_before(monkeypatch):
    """torch counts by the code of a network, and from the ninth on it would run one op by op without a word."""
    seen: list[int] = []

    def counting(graph, inputs):
        seen.append(len(seen))
        return graph.forward

    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network, **given: real(network, backend=counting, **given))
    many = torch._dynamo.config.recompile_limit + 3
    for size in range(1, many + 1):
        forward_of(nn.Sequential(nn.Linear(3, 2)), "compile")(torch.zeros(size, 3))
    assert len(seen) == many
