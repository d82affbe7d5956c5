"""Who may import whom (docs/architecture.md), and what --executor local does without."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("console", "spaces", "records", "trainables", "analysis", "search")  # each may know those before it
STDLIB = sys.stdlib_module_names
RAY = {
    "spaces/ray_domains.py",  # when one of its functions is called: whoever has no Ray has no use for them
    "trainables/tune.py",
    "search/executors/ray_tune.py",
    "search/executors/ray_session.py",
    "search/executors/ray_internals.py",
    "search/executors/ray_node.py",
    "search/executors/population.py",
    "search/executors/schedulers.py",
}
EXPLAINING = {
    f"analysis/explaining/{name}.py" for name in ("by_lime", "explanation", "grad_cam", "networks", "superpixels")
}
EXPLAINING |= {"analysis/explain.py", "analysis/difficulty.py", "analysis/chapters/misclassified.py"}
# What would make a pure object read files, ask the clock or start something
IMPURE = {"os", "io", "pathlib", "time", "datetime", "shutil", "tempfile", "glob", "random", "secrets"}
IMPURE |= {"socket", "subprocess", "threading", "multiprocessing", "urllib", "pickle"}


def imported(source: str) -> set[str]:
    """Every module that the source imports, anywhere in it, by its full name."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            names |= {str(getattr(argument, "value", "?")) for argument in node.args[:1]}
    return names


def tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def files(*places: str) -> list[str]:
    """Python files below these places, relative to the root; a place is a folder or a file."""
    found = []
    for place in places:
        path = ROOT / place
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [file.relative_to(ROOT).as_posix() for file in found]


def imports_of(file: str) -> set[str]:
    return imported((ROOT / file).read_text())


each = pytest.mark.parametrize


def test_the_finder_sees_every_way_to_import():
    source = "import ray.tune as t\ndef f():\n    from torch.nn import functional\n    __import__('pandas')\n"
    assert tops(imported(source)) == {"ray", "torch", "pandas"}
    assert "trainables.loop" in imported("from trainables import store, loop")


def test_every_room_has_files_to_look_at():
    for place in (*ROOMS, "trainables/curricula", "trainables/data", "search/executors"):
        assert len(files(place)) >= 3, place
    assert set(files()) == set() and set(files(*ROOMS)) >= RAY


@each("file", files(*ROOMS))
def test_arrows_go_one_way(file):
    """console <- spaces <- records <- trainables <- analysis <- search."""
    after = set(ROOMS[ROOMS.index(file.split("/")[0]) + 1 :])
    assert not tops(imports_of(file)) & after


def test_no_modules_import_each_other_in_a_circle():
    """Imports inside functions count: a circle that is hidden is one all the same.

    `from trainables import loop` is of the loop: what the package exports lazily is not loaded by it.
    """
    modules = {file.removesuffix(".py").removesuffix("/__init__").replace("/", "."): file for file in files(*ROOMS)}
    knows = {module: imports_of(file) & (modules.keys() - {module}) for module, file in modules.items()}
    knows = {module: {n for n in known if not any(other.startswith(f"{n}.") for other in known)}
             for module, known in knows.items()}  # fmt: skip
    while leaves := {module for module, known in knows.items() if not known & knows.keys()}:
        knows = {module: known for module, known in knows.items() if module not in leaves}
    assert not knows, f"in a circle, or above one: {sorted(knows)}"


@each("file", files("console"))
def test_the_console_knows_pydantic_and_rich_only(file):
    # what the user names is imported there; and a notebook has IPython
    named = {"console/plugins.py": {"?"}, "console/notebook.py": {"IPython"}}.get(file, set())
    assert tops(imports_of(file)) - STDLIB <= {"console", "pydantic", "rich"} | named


@each("file", files("spaces"))
def test_spaces_know_only_pydantic_and_optuna(file):
    known = {"console", "spaces", "pydantic", "optuna"}
    assert tops(imports_of(file)) - STDLIB <= known | ({"ray"} if file == "spaces/ray_domains.py" else set())


def test_spaces_and_the_names_of_trainables_load_neither_torch_nor_ray():
    check = (
        "import sys, spaces, trainables; from spaces import self_paced; assert not {'ray', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@each("file", files("trainables/curricula", "trainables/rates.py", "trainables/metrics.py"))
def test_curricula_and_rates_are_pure(file):
    names = imports_of(file)
    assert tops(names) - STDLIB <= {"console", "numpy", "spaces", "trainables"}
    assert all(name.startswith("trainables.curricula") for name in names if name.partition(".")[0] == "trainables")
    assert not tops(names) & IMPURE


@each("file", files("search/racing"))
def test_rules_that_stop_trials_are_pure(file):
    names = imports_of(file)
    assert tops(names) - STDLIB <= {"numpy", "search"} and not tops(names) & IMPURE
    assert all(name.startswith("search.racing") for name in names if name.partition(".")[0] == "search")


@each("file", files("records"))
def test_records_know_neither_torch_ray_nor_pandas_and_pyarrow_in_the_tables_alone(file):
    known = {"console", "spaces", "records", "numpy", "pydantic", "safetensors"}
    assert tops(imports_of(file)) - STDLIB <= known | ({"pyarrow"} if file == "records/parquet.py" else set())


@each("file", files("records/epoch.py"))
def test_what_is_recorded_of_an_epoch_needs_the_standard_library_only(file):
    assert tops(imports_of(file)) <= STDLIB


@each("file", files("trainables/data"))
def test_data_know_no_torch_ray_or_pandas(file):
    names = imports_of(file)
    assert not tops(names) & {"torch", "ray", "pandas", "search", "analysis"}
    own = {name for name in names if name.startswith("trainables.")}
    allowed = tuple(f"trainables.{name}" for name in ("data", "pairing", "seeds"))
    assert all(name.startswith(allowed) for name in own)


@each("file", files("trainables/networks/engine.py", "trainables/networks/models.py", "trainables/networks/knn.py",
                    "trainables/networks/tasks.py", "trainables/networks/anatomy.py", "trainables/networks/ours.py",
                    "trainables/networks/from_timm.py", "trainables/loop.py"))  # fmt: skip
def test_the_loop_and_what_is_under_it_know_neither_files_of_runs_nor_ray(file):
    names = imports_of(file)
    assert not tops(names) & {"ray", "pandas", "pyarrow"}
    assert all(name.startswith("records.epoch") for name in names if name.startswith("records."))


@each("file", files("search"))
def test_search_draws_no_figures(file):
    assert not tops(imports_of(file)) & {"matplotlib", "scipy", "pandas"}


@each("file", sorted(set(files(*ROOMS)) - RAY))
def test_only_a_few_files_know_ray(file):
    assert "ray" not in tops(imports_of(file))


@each("file", files(*ROOMS))
def test_timm_is_known_to_one_file_which_loads_it_when_it_is_asked_for(file):
    known = file == "trainables/networks/from_timm.py"
    assert ("timm" in tops(imports_of(file))) == known
    assert not any("timm" in tops(imported(ast.unparse(node))) for node in ast.parse((ROOT / file).read_text()).body
                   if isinstance(node, (ast.Import, ast.ImportFrom)))  # fmt: skip


@each("file", files(*ROOMS))
def test_onnx_is_known_to_one_file_which_loads_it_when_it_is_asked_for(file):
    known = tops(imports_of(file)) & {"onnx", "onnxruntime", "onnxscript"}
    assert bool(known) == (file == "search/export_model.py")
    assert not any(tops(imported(ast.unparse(node))) & known for node in ast.parse((ROOT / file).read_text()).body
                   if isinstance(node, (ast.Import, ast.ImportFrom)))  # fmt: skip


TRACKERS = {"mlflow": "search/tracking/to_mlflow.py", "wandb": "search/tracking/to_wandb.py"}


@each("file", files(*ROOMS))
def test_each_tracker_is_known_to_one_file_which_loads_it_when_it_is_asked_for(file):
    for package, only in TRACKERS.items():
        assert (package in tops(imports_of(file))) == (file == only)
    first = [
        node for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert not {name for node in first for name in tops(imported(ast.unparse(node)))} & TRACKERS.keys()


@each("file", files("analysis"))
def test_analysis_starts_no_ray_and_runs_no_network_but_to_explain(file):
    names = imports_of(file)
    assert "ray" not in tops(names)
    if file not in EXPLAINING:
        assert not tops(names) & {"torch", "torchvision", "lime"}
        own = {name for name in names if name.startswith("trainables.")}
        if file == "analysis/run.py":  # whose `model` hands out the network that another room loads
            own -= {"trainables.load_model", "trainables.portable.model", "trainables.portable.model.PortableModel"}
        assert all(name.startswith("trainables.metrics") for name in own)


@each("file", files(*ROOMS))
def test_nothing_reads_a_pickle(file):
    assert not tops(imports_of(file)) & {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load", "numpy.load"):
            plain = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert plain.get("weights_only") == "True" or plain.get("allow_pickle", "False") == "False"
            assert "torch" not in ast.unparse(node.func) or plain.get("weights_only") == "True"


WITHOUT = '''
import sys

BLOCKED = {"ray", "pandas", "pyarrow", "rich", "matplotlib", "scipy", "sklearn", "lime", "timm", "onnx", "onnxruntime"}

class Hiding:
    """Finds what the finder it takes the place of finds, less what is blocked: as if that were not installed."""

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in BLOCKED else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
for name in sorted(BLOCKED):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{name} is not hidden, so this test could not fail")
from search.run import main

status = main(sys.argv[1:])
assert not BLOCKED & {name.partition(".")[0] for name in sys.modules}
sys.exit(status)
'''


def test_the_local_executor_needs_neither_ray_nor_pandas_pyarrow_rich_matplotlib_or_scipy(tmp_path):
    words = "--executor local --data scenes:count=70 --image-size 16 --samples 1 --epochs 1 --name small"
    command = [sys.executable, "-c", WITHOUT, *words.split(), "--cpus-per-trial", "1", "--out", str(tmp_path / "runs")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "as_run" in done.stdout
    assert (tmp_path / "runs" / "small" / "ledger.jsonl").is_file()
