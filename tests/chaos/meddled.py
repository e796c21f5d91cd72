"""``python -m tests.chaos.meddled FOLDER``: the chain, while somebody takes away what it needs.

Airflow works as the chain's role of ``airflow_roles.yaml``. In each case a role loses its policies, or two
buckets their objects, at a call of the run, which then goes on to its end; the role gets its policies back,
what failed is cleared as its errors say, and the run goes on again. FOLDER/told.json tells of each case what
Airflow said, and what is left in the end.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.iam import local_user
from sagemaker_emr.exceptions import NEW_CLUSTER, STAGE_AGAIN
from sagemaker_emr.features import TRAIN_ANEW
from tests.chaos import checker, ground
from tests.chaos.ground import ENVIRONMENT, Ground, client
from tests.chaos.scenarios import CHAIN, SCENARIOS
from tests.chaos.schedules import STORE_RESULT
from tests.chaos.throttled import forked
from tests.dags.runs import PROCESS, Airflow, Run

CLEARED_AS_WELL = {NEW_CLUSTER: "request_cluster", STAGE_AGAIN: "stage_code"}
"""Next steps of errors, and the tasks that they ask to clear."""


@dataclass(frozen=True)
class Case:
    """:param takes: the output of the stacks that names the role; or ``BUCKETS``.
    :param task: whose call it is.
    :param operation: it happens when the first such call of the task is answered.
    """

    takes: str
    task: str
    operation: str


BUCKETS = "buckets"
TRAINING, BATCH = ("train_model", "sagemaker.CreateTrainingJob"), ("prepare_features", "livy.POST-batches")
CASES = {
    "Airflow's role between request and wait": Case("ChainRoleArn", "request_cluster", STORE_RESULT),
    "Airflow's role during the training": Case("ChainRoleArn", *TRAINING),
    "the training's role during the training": Case("ExecutionRoleArn", *TRAINING),
    "the launch role after the request": Case(
        "LaunchRoleArn", "request_cluster", "servicecatalog.ProvisionProduct"
    ),
    "the launch role during the batch": Case("LaunchRoleArn", *BATCH),
    "the buckets' objects during the batch": Case(BUCKETS, *BATCH),
    "the buckets' objects during the training": Case(BUCKETS, *TRAINING),
}


class Policies:
    """A role's own policies and those attached to it, to be taken away and given back."""

    def __init__(self, role_arn: str) -> None:
        self._iam, self._role = client("iam"), {"RoleName": role_arn.rsplit("/", 1)[1]}
        self._own = {
            name: self._iam.get_role_policy(PolicyName=name, **self._role)["PolicyDocument"]
            for name in self._iam.list_role_policies(**self._role)["PolicyNames"]
        }
        attached = self._iam.list_attached_role_policies(**self._role)["AttachedPolicies"]
        self._attached = [policy["PolicyArn"] for policy in attached]
        assert self._own or self._attached

    def take(self) -> None:
        for name in self._own:
            self._iam.delete_role_policy(PolicyName=name, **self._role)
        for arn in self._attached:
            self._iam.detach_role_policy(PolicyArn=arn, **self._role)

    def give_back(self) -> None:
        for name, document in self._own.items():
            self._iam.put_role_policy(PolicyName=name, PolicyDocument=json.dumps(document), **self._role)
        for arn in self._attached:
            self._iam.attach_role_policy(PolicyArn=arn, **self._role)


class Objects:
    """What is in the buckets of features and artifacts; deploy_platform stages its own part of it again."""

    def __init__(self, outputs: dict[str, str]) -> None:
        self._s3 = client("s3")
        self._buckets = [outputs["FeaturesBucket"], outputs["ArtifactsBucket"]]
        self._staged = [
            {"Bucket": bucket, "Key": key, "Body": self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()}
            for bucket, key in self._keys()
        ]

    def _keys(self) -> list[tuple[str, str]]:
        found = ((bucket, self._s3.list_objects_v2(Bucket=bucket)) for bucket in self._buckets)
        return [(bucket, one["Key"]) for bucket, page in found for one in page.get("Contents", [])]

    def take(self) -> None:
        for bucket, key in self._keys():
            self._s3.delete_object(Bucket=bucket, Key=key)

    def give_back(self) -> None:
        for staged in self._staged:
            self._s3.put_object(**staged)


def main(home: str) -> None:
    """Make the ground and the roles, then play each case on a copy of them."""
    made = ground.make(home)
    made.outputs.update(_make_roles(made))
    told = {"calm": forked(lambda: _played(made, None))}
    for name, case in CASES.items():
        told[name] = forked(lambda case=case: _played(made, case))
        (Path(home) / "told.json").write_text(json.dumps(told, indent=1))


def _make_roles(made: Ground) -> dict[str, str]:
    """Airflow's roles, of which the chain's may launch the product; the connection assumes it from now on."""
    from tests.dags.inhabitants import make_airflow_roles

    catalog = client("servicecatalog")
    # Who the connection's own credentials belong to.
    trusted = client("iam").get_user(UserName=local_user.USER_NAME)["User"]["Arn"]
    outputs = make_airflow_roles(client, ENVIRONMENT, trusted)
    [portfolio] = catalog.list_portfolios()["PortfolioDetails"]
    catalog.associate_principal_with_portfolio(
        PortfolioId=portfolio["Id"], PrincipalARN=outputs["ChainRoleArn"], PrincipalType="IAM"
    )
    extra = {"role_arn": outputs["ChainRoleArn"], "region_name": os.environ["AWS_DEFAULT_REGION"]}
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps({"conn_type": "aws", "extra": extra})
    return outputs


def _played(made: Ground, case: Case | None) -> dict[str, Any]:
    began = time.monotonic()
    ground.use_home(str(Path(made.home) / str(os.getpid())))
    boundary, scenario = made.boundary, SCENARIOS[CHAIN]
    airflow = Airflow(made.dags, boundary)
    watch = checker.Watch(made, scenario, airflow)
    boundary.begin([], lambda aftermath: None, scenario.label, watch.ended)
    taken: list[str] = []
    needed = _needed(made, case)
    if case and needed:
        _meddle(boundary, case, needed.take, taken)
    scenario.start(airflow, made, "meddled")
    airflow.play()
    [run] = airflow.runs.values()
    told: dict[str, Any] = {
        "taken": taken,
        "state": run.state,
        "errors": {task: str(error) for task, error in run.errors.items()},
    }
    if needed:
        needed.give_back()
        if TRAIN_ANEW in "".join(told["errors"].values()):
            scenario.start(airflow, made, "again")
        else:
            told["cleared"] = clear(run)
        airflow.play()
    return {
        **told,
        "states": [each.state for each in airflow.runs.values()],
        "clusters": len(list(checker._clusters(made.foreign_names[1]))),
        "violations": watch.violations(boundary, None),
        "seconds": time.monotonic() - began,
    }


def _needed(made: Ground, case: Case | None) -> Policies | Objects | None:
    if case is None:
        return None
    return Objects(made.outputs) if case.takes == BUCKETS else Policies(made.outputs[case.takes])


def _meddle(boundary: Any, case: Case, take: Callable[[], None], taken: list[str]) -> None:
    """Have the boundary take something away when the case's call is answered."""
    passes = boundary.passes

    def passes_then_takes(operation: str, *args: Any, **kwargs: Any) -> Any:
        answer = passes(operation, *args, **kwargs)
        process = PROCESS.get()
        if not taken and operation == case.operation and process and process.task_id == case.task:
            taken.append(operation)
            take()
        return answer

    boundary.passes = passes_then_takes


def clear(run: Run) -> list[str]:
    """Clear what failed and all that follows it, or what its errors say is to be cleared; which tasks."""
    cleared = [task for task, state in run.states.items() if state == "failed"]
    said = "\n".join(str(run.errors.get(task, "")) for task in cleared)
    cleared += [task for words, task in CLEARED_AS_WELL.items() if words in said]
    for task in cleared:
        for each in (task, *run.dag.get_task(task).get_flat_relative_ids(upstream=False)):
            run.states.pop(each, None)
    run.errors.clear()
    run.skipped_by_branch.clear()
    return cleared


if __name__ == "__main__":
    main(sys.argv[1])
