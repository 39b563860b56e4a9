"""Features of any number of images as Parquet files: a plan, shards that are extracted one by one, a manifest.

In: a source, networks. Out: a folder or an address in an object store. It must not know Ray.
"""

from penult.shards.attempts import DEATHS, AttemptCounter, AttemptFiles, in_halves
from penult.shards.check import Checked, check_shards
from penult.shards.extractor import CURES, Extractor
from penult.shards.facts import PlanFacts, plan_facts
from penult.shards.features import ShardedFeatures, open_features
from penult.shards.manifest import Manifest, read_manifest, write_manifest
from penult.shards.output import MODEL, PLAN, Output, check_place, name_below, open_output
from penult.shards.place import (
    check_asked,
    check_networks,
    is_features,
    is_ready,
    make_ready,
    refuse_answers,
    take_plan,
    wait_for_plan,
)
from penult.shards.plan import Plan, ShardTask, is_plan
from penult.shards.planning import check_plan_name, make_plan
from penult.shards.run import Runner, ShardsResult, in_random_order, local_runner, run_shards, todo
from penult.shards.writer import ShardStatus, ShardWriter

__all__ = [
    "CURES",
    "DEATHS",
    "MODEL",
    "PLAN",
    "AttemptCounter",
    "AttemptFiles",
    "Checked",
    "Extractor",
    "Manifest",
    "Output",
    "Plan",
    "PlanFacts",
    "Runner",
    "ShardStatus",
    "ShardTask",
    "ShardWriter",
    "ShardedFeatures",
    "ShardsResult",
    "check_asked",
    "check_networks",
    "check_place",
    "check_plan_name",
    "check_shards",
    "in_halves",
    "in_random_order",
    "is_features",
    "is_plan",
    "is_ready",
    "local_runner",
    "make_plan",
    "make_ready",
    "name_below",
    "open_features",
    "open_output",
    "plan_facts",
    "read_manifest",
    "refuse_answers",
    "run_shards",
    "take_plan",
    "todo",
    "wait_for_plan",
    "write_manifest",
]
