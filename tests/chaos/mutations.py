"""The product broken on purpose: what the checker must find, and by which schedule it must find it.

Each breaks one thing that the design rests on, in the process that is about to play; nothing is written.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SECOND_BATCH_SECONDS = 30.0


@dataclass(frozen=True)
class Mutation:
    """:param breaks: makes the change.
    :param schedule: what shows it.
    :param invariant: what is violated then.
    """

    name: str
    breaks: Callable[[], None]
    schedule: str
    invariant: str


def _replace(owner: Any, name: str, broken: Any) -> None:
    """Break what is there: a mutation of what is not there any more would find nothing."""
    assert hasattr(owner, name), f"{owner} has no {name}"
    setattr(owner, name, broken)


def _random_names() -> None:
    """Names that are made up instead of derived."""
    from sagemaker_emr import names

    derive = names.derive
    _replace(
        names, "derive", lambda purpose, *key, **options: derive(purpose, *key, uuid.uuid4().hex, **options)
    )


def _random_job_names() -> None:
    """A training job's name that no other try of the task can find."""
    from sagemaker_emr.hooks.sagemaker import SageMakerHook

    _replace(SageMakerHook, "latest_training_job", lambda self, *key: (f"train-{uuid.uuid4().hex[:8]}", None))


def _idle_teardown() -> None:
    """A teardown that does nothing, and says so."""
    from sagemaker_emr.operators.service_catalog import ServiceCatalogTerminateProductOperator

    nothing = {"cluster_id": None, "cluster_seconds": 0.0, "state": "NEVER_STARTED"}
    _replace(ServiceCatalogTerminateProductOperator, "execute", lambda self, context: nothing)


def _hasty_teardown() -> None:
    """A teardown that asks for the end, and does not wait for it."""
    from sagemaker_emr.operators.service_catalog import ServiceCatalogTerminateProductOperator

    def wait_for(self: Any, context: Any, trigger: Any, carry: Any = None) -> Any:
        trigger.look()
        return {"cluster_id": self._claim(context).cluster_id, "cluster_seconds": 0.0, "state": "TERMINATING"}

    _replace(ServiceCatalogTerminateProductOperator, "wait_for", wait_for)


def _nameless_batches() -> None:
    """A submission without a name: Livy can't refuse the second, which comes while the first is at work."""
    from sagemaker_emr.hooks.livy import LivyClient
    from tests.chaos.livy import Batch, Livy

    submit = LivyClient.submit_batch

    def submit_batch(self: Any, *, name: str, **kwargs: Any) -> Any:
        return submit(self, name=uuid.uuid4().hex, **kwargs)

    _replace(LivyClient, "submit_batch", submit_batch)
    run = Batch.run

    def run_beside_another(self: Any) -> None:
        deadline = time.monotonic() + SECOND_BATCH_SECONDS
        while len(Livy.applications) == 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        run(self)

    _replace(Batch, "run", run_beside_another)


def _first(owner: Any, act: Callable[[Any], None]) -> None:
    """Let an operator do something before its own work."""
    execute = owner.execute

    def greedy(self: Any, context: Any) -> Any:
        act(self)
        return execute(self, context)

    _replace(owner, "execute", greedy)


def _greedy_teardown() -> None:
    """A teardown that ends every cluster it sees, whoever's it is."""
    from sagemaker_emr.hooks.emr import EmrHook
    from sagemaker_emr.operators.service_catalog import ServiceCatalogTerminateProductOperator

    def end(task: Any) -> None:
        emr = EmrHook(**task._hook_parameters)
        live = emr.conn.list_clusters(ClusterStates=["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"])
        for cluster in live["Clusters"]:
            emr.terminate(cluster["Id"])

    _first(ServiceCatalogTerminateProductOperator, end)


def _greedy_request() -> None:
    """A request that makes room: it ends every product it sees."""
    from sagemaker_emr.operators.service_catalog import ServiceCatalogProvisionProductOperator

    def end(task: Any) -> None:
        catalog = task.hook.conn
        account = {"Key": "Account", "Value": "self"}
        for found in catalog.search_provisioned_products(AccessLevelFilter=account)["ProvisionedProducts"]:
            catalog.terminate_provisioned_product(ProvisionedProductId=found["Id"], TerminateToken="room")

    _first(ServiceCatalogProvisionProductOperator, end)


def _greedy_deployment() -> None:
    """A deployment that clears away every endpoint there is, and what it served."""
    from sagemaker_emr.operators.sagemaker_endpoint import SageMakerDeployEndpointOperator

    def clear(task: Any) -> None:
        sagemaker = task.hook.conn
        for found in sagemaker.list_endpoints(StatusEquals="InService")["Endpoints"]:
            sagemaker.delete_endpoint(EndpointName=found["EndpointName"])
        for found in sagemaker.list_endpoint_configs()["EndpointConfigs"]:
            sagemaker.delete_endpoint_config(EndpointConfigName=found["EndpointConfigName"])

    _first(SageMakerDeployEndpointOperator, clear)


def _greedy_registration() -> None:
    """A registration that takes every model that is no package for a leftover."""
    from sagemaker_emr.operators.sagemaker_model import SageMakerRegisterModelOperator

    def tidy(task: Any) -> None:
        for found in task.hook.conn.list_models()["Models"]:
            task.hook.conn.delete_model(ModelName=found["ModelName"])

    _first(SageMakerRegisterModelOperator, tidy)


def _greedy_staging() -> None:
    """A staging that takes notebooks for what was staged before, in whatever bucket they are."""
    from sagemaker_emr.operators.s3 import S3StageFilesOperator

    def tidy(task: Any) -> None:
        s3 = task.hook.conn
        for bucket in s3.list_buckets()["Buckets"]:
            for found in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
                if found["Key"].endswith(".ipynb"):
                    s3.delete_object(Bucket=bucket["Name"], Key=found["Key"])

    _first(S3StageFilesOperator, tidy)


def _pretended_evaluation() -> None:
    """A task that returns what it should have written."""
    from sagemaker_emr.operators.sagemaker_model import SageMakerEvaluateModelOperator

    def pretend(self: Any, context: Any) -> Any:
        name = self.training["job_name"]
        return {
            "job_name": name,
            "evaluation_uri": f"s3://nowhere/{name}",
            "predictions_uri": "s3://nowhere/p",
        }

    _replace(SageMakerEvaluateModelOperator, "execute", pretend)


def _forgetful_leave() -> None:
    """A run that never leaves the lease it holds; the provider gives it up in the end."""
    from sagemaker_emr.operators.shared_cluster import SharedClusterLeaveOperator

    _replace(SharedClusterLeaveOperator, "execute", lambda self, context: None)


def _fresh_package() -> None:
    """A model package for each try."""
    from sagemaker_emr.operators.sagemaker_model import SageMakerRegisterModelOperator

    request = SageMakerRegisterModelOperator._request
    _replace(SageMakerRegisterModelOperator, "_find_package", lambda self: None)
    _replace(
        SageMakerRegisterModelOperator,
        "_request",
        lambda self: {**request(self), "ClientToken": uuid.uuid4().hex},
    )


POST = "run/prepare_features/livy.POST-batches#1"
OTHERS = "touched others'"
MUTATIONS = [
    Mutation(
        "names that are random",
        _random_names,
        "chain run/request_cluster/servicecatalog.ProvisionProduct#1/after/retried",
        "cluster left",
    ),
    Mutation(
        "a training job with a random name",
        _random_job_names,
        "chain run/train_model/sagemaker.CreateTrainingJob#1/after/retried",
        "trained twice",
    ),
    Mutation("a teardown that does nothing", _idle_teardown, "chain", "cluster left"),
    Mutation("a teardown that does not wait", _hasty_teardown, "chain", "no effect"),
    Mutation("batches without a name", _nameless_batches, f"chain {POST}/after/retried", "work done twice"),
    Mutation("a teardown that ends every cluster", _greedy_teardown, "chain", OTHERS),
    Mutation("a request that ends every product", _greedy_request, "chain", OTHERS),
    Mutation("a deployment that deletes every endpoint", _greedy_deployment, "chain", OTHERS),
    Mutation("a registration that deletes every model", _greedy_registration, "chain", OTHERS),
    Mutation("a staging that deletes every notebook", _greedy_staging, "chain", OTHERS),
    Mutation("an evaluation that is not written", _pretended_evaluation, "chain", "no effect"),
    Mutation("a run that never leaves", _forgetful_leave, "backfill", "no effect"),
    Mutation(
        "a model package a try",
        _fresh_package,
        "chain run/register_model/sagemaker.CreateModelPackage#1/after/retried",
        "other outputs",
    ),
]
