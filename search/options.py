"""What may be asked of a search and of a head-to-head beside `search.shared_options`; run.json keeps all of it."""

from typing import Annotated, Literal

from pydantic import Field

from console.arguments import PATH
from console.fields import OneOf
from search.proposers.samplers import SAMPLERS
from search.schedulers import SCHEDULERS
from search.shared_options import MOST_TRIALS, Options, RunOptions, only_with
from spaces.setting import MOST_EPOCHS, MOST_MARKS

AS_RUN = "as_run"  # what the study that this one starts from did


class KeepOptions(Options):
    """What is left of a search."""

    group = "output"

    keep: int = Field(3, ge=1, le=MOST_TRIALS, description="best trials whose networks are kept")


class AgainOptions(Options):
    """What is trained again after a search, before one is named."""

    group = "verdict"

    confirm: int = Field(
        0,
        ge=0,
        le=MOST_TRIALS,
        description="train the best K trials and the anchors again on fresh seeds and splits before one is named",
    )
    confirm_seeds: int = Field(
        5,
        ge=1,
        le=1000,
        description="confirm: fresh seeds, from the one after --seed on",
        json_schema_extra=only_with("confirm"),
    )
    promote: int = Field(
        0,
        ge=0,
        le=MOST_TRIALS,
        description="train the best K trials and the anchors again on images of --promote-size, and say whether the "
        "smaller ones could be trusted",
    )
    promote_size: int | None = Field(None, ge=8, le=1024, description="promote: pixels a side")


class SearchOptions(AgainOptions, KeepOptions, RunOptions):
    """What may be asked of a search of one strategy's space."""

    group = "search"

    space: str = Field("self_paced", description="strategy whose space is searched; --list shows them")
    samples: int = Field(12, ge=1, le=MOST_TRIALS, description="trials, anchors included")
    set: tuple[str, ...] = Field((), description="field=value: fix a field; repeatable")
    search: tuple[str, ...] = Field((), description="field=low:high[:log] or field=a,b,c: search a field; repeatable")
    anchors: str | None = Field(
        None, description="anchors tried first: names with commas, or none (all of the space's)"
    )
    configs: Annotated[str | None, PATH] = Field(
        None, description="best.parquet of an earlier run: its configs of this strategy are tried first, as anchors are"
    )
    after: Annotated[str | None, PATH] = Field(
        None,
        description="earlier searches of this strategy, run folders with commas: how their trials stood informs the "
        "sampler, and nothing else",
    )
    sampler: Annotated[str, OneOf(SAMPLERS)] = Field(
        "tpe", description="how configs are drawn; motpe, nsga2: for accuracy and for few seconds"
    )
    scheduler: Annotated[str | None, OneOf(SCHEDULERS)] = Field(
        None,
        description="early stopping, or a population that finds a schedule (asha; front of motpe; none under local and "
        "nsga2)",
    )
    topk: int | None = Field(
        None,
        ge=1,
        le=MOST_TRIALS,
        description="topk: drawn trials that go on to their end (a ninth of --samples, and three at least)",
        json_schema_extra=only_with("scheduler", "topk"),
    )
    exchange_epochs: int | None = Field(
        None,
        ge=1,
        le=MOST_EPOCHS,
        description="pbt and pb2: epochs between two exchanges (a quarter of --epochs)",
        json_schema_extra=only_with("scheduler", "pbt", "pb2"),
    )
    time_budget: str | None = Field(None, description="stop asking for trials after this long: 90s, 30m, 2h")
    stop_when: Literal["never", "noise"] = Field(
        "never",
        description="noise: ask for no more trials once what they may add is below what validation images can tell apart",
    )


class VerdictOptions(Options):
    """Which pairs get a word, and when."""

    group = "verdict"

    primary: str | None = Field(
        None,
        description="the pairs that get a word, a:b with commas (each curriculum against finetune, random_subset and its "
        "random twin)",
    )
    margin: float = Field(
        1.0,
        gt=0,
        le=50,
        description="points (of loss: hundredths of a nat): an interval within this of zero is called a tie",
    )
    until_decided: bool = Field(
        False, description="go on with further seeds until every planned pair is decided; arms that are settled stop"
    )
    max_seeds: int = Field(
        60, ge=1, le=1000, description="until-decided: seeds at most", json_schema_extra=only_with("until_decided")
    )


class CompareOptions(VerdictOptions, RunOptions):
    """What may be asked of a head-to-head."""

    group = "comparison"

    strategies: str = Field(
        "self_paced,finetune,transfer",
        description="arms with commas: name, name+anchor, name+field=value, name+own_name+field=value, name@FILE (from "
        "that state dict), name/random (a twin)",
    )
    set: tuple[str, ...] = Field(
        (), description="field=value: of every arm that has it and does not say otherwise; repeatable"
    )
    seeds: int = Field(5, ge=1, le=1000, description="seeds, from --seed on; one fixes split, initialisation and order")
    twins: bool = Field(False, description="also run each curriculum's random and hard_first twin")
    time_budget: str | None = Field(None, description="start no trial after this long: 90s, 30m, 2h")
    anchors: str = Field(AS_RUN, description="anchor of each strategy, or its first one where it has none so named")
    configs: Annotated[str | None, PATH] = Field(
        None, description="best.parquet: the best row of each strategy instead of an anchor"
    )
    budget: str | None = Field(
        None,
        description="updates=N for every full-network arm, or seconds=S for every arm by its own clock (the updates of "
        "--epochs passes over the training images)",
    )
    marks: int | None = Field(
        None, ge=1, le=MOST_MARKS, description="looks at each arm, at equal parts of its budget (as many as --epochs)"
    )
    head_epochs: int = Field(
        50, ge=1, le=MOST_EPOCHS, description="epochs of arms that train the head alone, outside a budget of updates"
    )
