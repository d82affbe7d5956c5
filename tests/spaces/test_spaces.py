"""What is legal, what is searched, what is tried first, and what is said to the person who gets it wrong."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from console import arguments
from console.errors import UsageError
from search.options import SearchOptions
from search.planning.space import make_space, parse_search, parse_set
from spaces.registry import SPACES, get_space
from spaces.self_paced import AS_DESCRIBED, AS_RUN, SELF_PACED, SelfPacedConfig
from spaces.setting import Setting
from spaces.space import Anchor, Space
from spaces.transfer import TRANSFER
from tests.toy import draws
from trainables.strategies import STRATEGIES

FIELDS = ", ".join(SelfPacedConfig.model_fields)
each_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def said(call, *arguments) -> str:
    with pytest.raises(UsageError) as raised:
        call(*arguments)
    return str(raised.value)


def names(space: Space) -> list[str]:
    return [anchor.name for anchor in space.anchors]


@each_space
def test_what_is_searched_are_fields_of_the_config(space):
    assert space.search and set(space.search) <= set(space.config.model_fields)


@each_space
def test_a_space_has_its_strategys_config(space):
    assert STRATEGIES[space.strategy].config is space.config


@each_space
@given(data=st.data())
def test_every_draw_builds(space, data):
    values = data.draw(draws(space))
    config = space.build(values)
    assert {name: getattr(config, name) for name in values} == values
    assert space.contains(config.model_dump())


@each_space
def test_every_anchor_builds_and_lies_in_its_own_space(space):
    for anchor in space.anchors:
        values = space.anchor_values(anchor)
        assert space.build(values).model_dump() == values
        assert space.contains(values) or space.strategy == "scratch"  # report_parts fixes what is not searched


def test_a_searched_field_that_is_none_is_refused_when_the_space_is_made():
    assert said(lambda: replace(SELF_PACED, search={"shear_step": FloatDistribution(0, 1)})) == (
        f"Unknown field of self_paced 'shear_step'. Did you mean 'share_step'? Known: {FIELDS}."
    )


def test_an_unknown_space_is_named_with_its_nearest():
    known = ", ".join(SPACES)
    assert said(get_space, "self-paced") == f"Unknown space 'self-paced'. Did you mean 'self_paced'? Known: {known}."
    assert said(get_space, "xyz") == f"Unknown space 'xyz'. Known: {known}."


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share_start": 0}, "SelfPacedConfig.share_start: must be a number in (0, 1]; got 0."),
        ({"gate": 1.5}, "SelfPacedConfig.gate: must be a number in [0, 1]; got 1.5."),
        ({"gate": float("nan")}, "SelfPacedConfig.gate: must be a number in [0, 1]; got nan."),
        ({"label_smoothing": 1}, "SelfPacedConfig.label_smoothing: must be a number in [0, 1); got 1."),
        ({"slow_epochs": 0}, "SelfPacedConfig.slow_epochs: must be an integer in [1, 100]; got 0."),
        ({"rate_epochs_1": 0.5}, "SelfPacedConfig.rate_epochs_1: must be an integer in [1, inf); got 0.5."),
        ({"ranking": "size"}, "SelfPacedConfig.ranking: must be one of image, image_per_class, batch; got 'size'."),
        ({"gat": 0.9}, f"Unknown field of SelfPacedConfig 'gat'. Did you mean 'gate'? Known: {FIELDS}."),
    ],
)
def test_a_value_that_is_not_legal_gives_one_exact_sentence(values, message):
    assert said(SELF_PACED.build, values) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gate", "--set wants field=value; got 'gate'."),
        ("gat=0.9", f"Unknown field of self_paced 'gat'. Did you mean 'gate'? Known: {FIELDS}."),
        ("gate=1.5", "SelfPacedConfig.gate: must be a number in [0, 1]; got '1.5'."),
        ("gate=high", "SelfPacedConfig.gate: must be a number in [0, 1]; got 'high'."),
        ("gate=nan", "SelfPacedConfig.gate: must be a number in [0, 1]; got 'nan'."),
        ("gate=", "SelfPacedConfig.gate: must be a number in [0, 1]; got ''."),
        ("slow_epochs=1.5", "SelfPacedConfig.slow_epochs: must be an integer in [1, 100]; got '1.5'."),
        ("optimizer=lion", "SelfPacedConfig.optimizer: must be one of adam, adamw, sgd; got 'lion'."),
    ],
)
def test_a_bad_set_gives_one_exact_sentence(text, message):
    assert said(parse_set, SELF_PACED, text) == message


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("gate=0.9", ("gate", 0.9)),
        ("slow_epochs=3", ("slow_epochs", 3)),
        ("learning_rate=1e-4", ("learning_rate", 1e-4)),
        ("ranking=batch", ("ranking", "batch")),
    ],
)
def test_a_set_is_typed_by_the_config(text, parsed):
    assert parse_set(SELF_PACED, text) == parsed
    assert type(parse_set(SELF_PACED, text)[1]) is type(parsed[1])


FORMS = "field=low:high, field=low:high:log or field=a,b,c"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gate", f"--search wants {FORMS}; got 'gate'."),
        ("gate=", f"--search wants {FORMS}; got 'gate='."),
        ("gat=0:1", f"Unknown field of self_paced 'gat'. Did you mean 'gate'? Known: {FIELDS}."),
        ("gate=0.9:0.5", "--search gate wants low below high; got '0.9:0.5'."),
        ("gate=0.5:0.5", "--search gate wants low below high; got '0.5:0.5'."),
        ("gate=0:0.5:log", "--search gate wants low below high, above 0 for log; got '0:0.5:log'."),
        ("gate=0.5:0.9:0.1", "--search gate wants low:high or low:high:log; got '0.5:0.9:0.1'."),
        ("gate=0.5:", "--search gate wants low:high or low:high:log; got '0.5:'."),
        ("gate=0.5:1.5", "SelfPacedConfig.gate: must be a number in [0, 1]; got '1.5'."),
        ("ranking=image:batch", "--search ranking wants words with commas between; got 'image:batch'."),
        ("ranking=image,size", "SelfPacedConfig.ranking: must be one of image, image_per_class, batch; got 'size'."),
    ],
)
def test_a_bad_search_gives_one_exact_sentence(text, message):
    assert said(parse_search, SELF_PACED, text) == message


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("gate=0.5:0.9", FloatDistribution(0.5, 0.9)),
        ("learning_rate=1e-5:1e-2:log", FloatDistribution(1e-5, 1e-2, log=True)),
        ("slow_epochs=1:4", IntDistribution(1, 4)),
        ("batch_size=8:64:log", IntDistribution(8, 64, log=True)),
        ("rate=cosine,constant", CategoricalDistribution(("cosine", "constant"))),
        ("gate=0.8,0.9,0.8", CategoricalDistribution((0.8, 0.9))),
    ],
)
def test_a_search_text_becomes_a_distribution(text, distribution):
    assert parse_search(SELF_PACED, text) == (text.partition("=")[0], distribution)


def test_searching_a_field_whose_ends_are_not_legal_is_refused():
    wide = {"gate": FloatDistribution(0.5, 1.5)}
    assert said(SELF_PACED.with_search, wide) == "SelfPacedConfig.gate: must be a number in [0, 1]; got 1.5."


def test_searching_a_fixed_field_frees_it():
    space = SELF_PACED.with_fixed({"gate": 0.85}).with_search({"gate": FloatDistribution(0.8, 0.9)})
    assert "gate" not in space.fixed and space.build({}).gate == SelfPacedConfig().gate


def test_the_first_anchor_of_transfer_has_features_that_do_not_drift():
    assert names(TRANSFER) == ["frozen", "as_described"]
    assert list(TRANSFER.config.model_fields)[-2:] == ["batchnorm", "unfreeze"]  # best.parquet has its columns so


def test_a_setting_takes_and_gives_the_name_under_which_its_limit_of_updates_is_recorded():
    now, then = Setting(strategy="finetune", max_updates=7), Setting(strategy="finetune", updates=7)
    assert now == then and now.model_dump()["updates"] == 7 and "max_updates" not in now.model_dump()
    assert Setting.model_validate_json(now.model_dump_json()) == Setting(**now.model_dump()) == now
    assert list(now.model_dump()).index("updates") == list(Setting.model_fields).index("max_updates")


@pytest.mark.parametrize(("budget", "said"), [
    ({"marks": 5}, "--marks wants max_updates or max_seconds, of which marks are even parts; got 5."),
    ({"max_updates": 9, "max_seconds": 2.0},
     "--max-seconds cannot stand beside max_updates: a trial has one budget, of updates or of seconds; got 2.0."),
    ({"updates": 9, "max_seconds": 2.0, "marks": 3}, "--max-seconds cannot stand beside max_updates"),
    ({"max_updates": 9, "marks": 0}, "--marks must be greater than or equal to 1"),
    ({"max_seconds": 0}, "--max-seconds must be greater than 0"),
])  # fmt: skip
def test_marks_want_a_budget_and_there_is_one(budget, said):
    with pytest.raises(ValueError):
        Setting(strategy="finetune", **budget)
    with pytest.raises(UsageError) as raised:
        arguments.read(Setting, {"strategy": "finetune", **budget})
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    "budget", [{}, {"max_updates": 9, "marks": 3}, {"max_seconds": 2.5, "marks": 3}, {"max_seconds": 9}]
)
def test_a_budget_survives_its_json_and_an_older_one_has_no_marks(budget):
    made = Setting(strategy="finetune", **budget)
    assert Setting.model_validate_json(made.model_dump_json()) == made
    older = {name: value for name, value in made.model_dump().items() if name not in ("marks", "max_seconds")}
    assert Setting(**older).marks is None and Setting(**older).max_seconds is None


@pytest.mark.parametrize(
    ("fixed", "left"),
    [
        ({"gate": 0.9}, []),  # neither names the gate, so both have its default, 0.85: the whole config counts
        ({"gate": 0.85}, ["as_run", "as_described"]),
        ({"ranking": "batch"}, ["as_run"]),
        ({"ranking": "image"}, ["as_described"]),
        ({"optimizer": "sgd"}, []),  # not searched, but not what they ran with either
        ({"optimizer": "adam"}, ["as_run", "as_described"]),
        ({"rate_gate": 0.5}, ["as_run"]),  # as_run has a constant rate, where no gate has an effect
        ({"rate_epochs_1": 7}, ["as_run", "as_described"]),  # neither steps by epochs
    ],
)
def test_fixing_a_field_removes_the_anchors_that_contradict_it(fixed, left):
    assert names(SELF_PACED.with_fixed(fixed)) == left


def test_a_fixed_field_is_no_longer_searched_and_is_in_every_config():
    space = SELF_PACED.with_fixed({"gate": 0.9, "batch_size": 16})
    assert "gate" not in space.search and "gate" in SELF_PACED.search
    assert (space.build({}).gate, space.build({"share_step": 0.1}).batch_size) == (0.9, 16)


def test_fixing_an_illegal_value_is_refused():
    assert said(SELF_PACED.with_fixed, {"gate": 2}) == "SelfPacedConfig.gate: must be a number in [0, 1]; got 2."


def test_an_anchor_that_fixes_an_unsearched_field_differently_is_not_in_the_space():
    stranger = Anchor("stranger", "as_run with another optimiser", {**AS_RUN.values, "optimizer": "sgd"})
    assert "optimizer" not in SELF_PACED.search
    assert not SELF_PACED.contains(SELF_PACED.anchor_values(stranger))
    assert SELF_PACED.contains(SELF_PACED.anchor_values(AS_RUN))


def test_a_config_outside_a_searched_range_is_not_in_the_space():
    values = SELF_PACED.anchor_values(AS_RUN)
    assert not SELF_PACED.contains({**values, "share_step": 0.5})  # searched to 0.3
    assert not SELF_PACED.contains({**values, "rate": "epoch_steps"})
    narrow = SELF_PACED.with_search({"learning_rate": FloatDistribution(1e-3, 1e-2)})
    assert not narrow.contains(values)  # 1e-4


def test_an_unsearched_field_without_effect_may_differ():
    values = SELF_PACED.anchor_values(AS_RUN)
    assert SELF_PACED.contains({**values, "rate_epochs_1": 7})  # counts under epoch_steps only
    assert SELF_PACED.contains({**values, "rate_gate": 0.1})  # out of the searched range, but the rate is constant


@pytest.mark.parametrize(
    ("rate", "gate", "epochs", "factor"),
    [
        ("constant", False, False, False),
        ("cosine", False, False, False),
        ("accuracy_steps", True, False, True),
        ("epoch_steps", False, True, True),
    ],
)
def test_a_conditional_field_matters_only_under_its_rate(rate, gate, epochs, factor):
    matters = [SELF_PACED.matters(name, {"rate": rate}) for name in ("rate_gate", "rate_epochs_1", "rate_factor_2")]
    assert matters == [gate, epochs, factor]
    assert SELF_PACED.matters("gate", {"rate": rate})


def test_a_field_says_itself_where_it_has_an_effect():
    conditional = {name: SelfPacedConfig.condition(name) for name in SelfPacedConfig.model_fields}
    assert {name for name, condition in conditional.items() if condition} == {
        name for name in SelfPacedConfig.model_fields if name.startswith(("rate_", "randaugment_", "batchnorm"))
    }
    assert conditional["batchnorm"] == ("unfreeze", ("head", "last_block"))
    assert conditional["rate_factor_2"] == ("rate", ("accuracy_steps", "epoch_steps"))


def test_a_fixed_rate_decides_which_fields_matter():
    assert not SELF_PACED.with_fixed({"rate": "constant"}).matters("rate_gate", {})
    assert SELF_PACED.with_fixed({"rate": "accuracy_steps"}).matters("rate_gate", {})


def test_active_fields_are_those_with_an_effect_conditions_first():
    constant = SELF_PACED.active({"rate": "constant"})
    steps = SELF_PACED.active({"rate": "accuracy_steps"})
    assert not [name for name in constant if name.startswith("rate_")]
    assert set(steps) == set(SELF_PACED.search)
    assert steps.index("rate") < min(steps.index(name) for name in steps if name.startswith("rate_"))


def test_the_two_anchors_are_the_two_readings_of_the_report():
    run, described = SELF_PACED.anchor_values(AS_RUN), SELF_PACED.anchor_values(AS_DESCRIBED)
    wanted = ("ranking", "score_mode", "learning_rate", "rate")
    assert [run[name] for name in wanted] == ["batch", "train", 1e-4, "constant"]
    assert [described[name] for name in wanted] == ["image", "eval", 1e-3, "accuracy_steps"]
    for anchor in (run, described):
        assert (anchor["share_start"], anchor["share_step"], anchor["gate"]) == (0.1, 0.05, 0.85)
        assert (anchor["slow_from"], anchor["slow_epochs"], anchor["batch_size"]) == (0.6, 2, 32)


@pytest.mark.parametrize(
    "options", [{"set": ["class_weight=balanced"]}, {"search": ["class_weight=none,balanced"]}], ids=["set", "search"]
)
def test_class_weights_want_one_class_an_image(options):
    alone = SearchOptions(space="finetune", **options)
    make_space(alone)
    assert said(make_space, alone.model_copy(update={"task": "multi_label"})) == (
        "class_weight=balanced weighs an image by its one class, where --task multi_label gives it several; leave out one "
        "of the two."
    )


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("mixup=0:0.4", FloatDistribution(0, 0.4)),
        ("crop=0.3:1", FloatDistribution(0.3, 1)),
        ("randaugment_magnitude=3:15", IntDistribution(3, 15)),
        ("policy=none,randaugment,trivialaugment", CategoricalDistribution(("none", "randaugment", "trivialaugment"))),
    ],
)
@each_space
def test_augmentation_is_searched_on_demand_in_every_space(space, text, distribution):
    name, parsed = parse_search(space, text)
    assert parsed == distribution and name not in space.search
    assert name in space.with_search({name: parsed}).active({"policy": "randaugment"})


@pytest.mark.parametrize(
    ("field", "legal"),
    [
        ("crop=0", "a number in (0, 1]"),
        ("colour_jitter=2", "a number in [0, 1]"),
        ("mixup=-1", "a number in [0, 10]"),
        ("randaugment_magnitude=31", "an integer in [0, 30]"),
        ("policy=autoaugment", "one of none, randaugment, trivialaugment"),
        ("sampling=even", "one of as_is, balanced"),
    ],
)
def test_augmentation_out_of_range_is_refused(field, legal):
    name, _, value = field.partition("=")
    assert said(parse_set, SELF_PACED, field) == f"SelfPacedConfig.{name}: must be {legal}; got '{value}'."
