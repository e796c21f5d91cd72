"""The control room as the API server serves it, before a database and a stand-in for the auth manager."""

from __future__ import annotations

import html.parser
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from airflow.api_fastapi.common.db.common import _get_session
from airflow.api_fastapi.core_api import security
from airflow.models import import_all_models
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, event, insert
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from sagemaker_emr import airflow_versions, names
from sagemaker_emr.web.app import app
from sagemaker_emr.web.control_room import reading, sources
from sagemaker_emr.web.control_room.model_error import Evaluations
from tests.dags.orphans import Account
from tests.local_aws.conftest import client, make_client
from tests.local_aws.servicecatalog.conftest import bare_catalog, catalog, launch_role, template_url
from tests.plugins.sagemaker_emr.conftest import ScriptedAws

__all__ = ["bare_catalog", "catalog", "client", "launch_role", "make_client", "template_url"]

HERE = "/sagemaker-emr/control-room"
SECTIONS = {
    "platform": "check_platform",
    "clusters": "list_clusters",
    "runs": "train_and_deploy_model",
    "coverage": "prepare_features",
    "model-error": "train_and_deploy_model",
}
"""Each part of the page, and the DAG whose runs one must be allowed to read."""

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u2066",
    "x" * 256,
    "</table></section><h1>gone</h1>",
]
"""What may stand in a tag's value or in the id of a run."""

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def is_served() -> None:
    if not airflow_versions.PAGES_KNOW_THEIR_READER:
        pytest.skip("No page is served before Airflow 3.2")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has read nothing yet."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://?region_name=us-east-1")
    monkeypatch.setattr(reading, "_evaluations", Evaluations())
    reading.cache.clear()


@pytest.fixture
def new_clients() -> Iterator[None]:
    """For an AWS of a test's own: clients are kept else, since making them takes long."""
    sources.forget()
    yield
    sources.forget()


class Database:
    """Airflow's database, as far as the page reads it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.statements: list[str] = []
        event.listen(session.get_bind(), "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.statements.append(statement)

    def add_dag(self, dag_id: str = "terminate_cluster", paused: bool = False) -> None:
        self.session.add(DagModel(dag_id=dag_id, bundle_name="dags", is_paused=paused, is_stale=False))
        self.session.flush()

    def add_run(
        self,
        dag_id: str,
        run_id: str,
        state: str = "running",
        conf: Any = None,
        partition_key: str | None = None,
        after: datetime = NOW,
        seconds: float = 600,
    ) -> None:
        self.session.execute(
            insert(DagRun).values(
                dag_id=dag_id,
                run_id=run_id,
                run_type="manual",
                state=state,
                conf=conf or {},
                partition_key=partition_key,
                run_after=after,
                start_date=after,
                end_date=None if state == "running" else after + timedelta(seconds=seconds),
                clear_number=0,
                span_status="not_started",
            )
        )

    def add_task(
        self,
        run_id: str,
        task_id: str,
        begin: float | None,
        end: float | None,
        state: str | None = "success",
        after: datetime = NOW,
    ) -> None:
        """A task of the chain, with seconds since the start of its run."""
        self.session.execute(
            insert(TaskInstance).values(
                id=uuid.uuid4(),
                dag_id="train_and_deploy_model",
                run_id=run_id,
                task_id=task_id,
                state=state,
                start_date=None if begin is None else after + timedelta(seconds=begin),
                end_date=None if end is None else after + timedelta(seconds=end),
                pool="default_pool",
                pool_slots=1,
            )
        )


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    import_all_models()
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    DagRun.metadata.create_all(engine)
    with Session(engine) as session:
        monkeypatch.setitem(app.dependency_overrides, _get_session, lambda: session)
        monkeypatch.setattr(DagModel, "get_team_name", lambda dag_id: None)
        yield Database(session)


@pytest.fixture
def rights(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the reader may not do: pairs of method and DAG id in ``rights.denied``."""
    rights = SimpleNamespace(denied=set())
    user = SimpleNamespace(get_name=lambda: "ana", get_id=lambda: "1")

    async def user_of(token: str) -> Any:
        return user

    def is_authorized_dag(*, method: str, access_entity: Any, details: Any, user: Any) -> bool:
        assert access_entity.name == "RUN"
        return (method, details.id) not in rights.denied

    manager = SimpleNamespace(get_user_from_token=user_of, is_authorized_dag=is_authorized_dag)
    monkeypatch.setattr(security, "get_auth_manager", lambda: manager)
    return rights


@pytest.fixture
def browse(database: Database, rights: SimpleNamespace) -> TestClient:
    """A browser with Airflow's cookie, in front of an Airflow that mounts the plugin's app."""
    airflow = FastAPI()
    airflow.mount("/sagemaker-emr", app)
    return TestClient(airflow, follow_redirects=False, cookies={"_token": "airflow's"})


class Read(html.parser.HTMLParser):
    """What a browser would make of some HTML: its elements with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **having: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a kind, of those that have an attribute."""
        return [
            attributes
            for found, attributes in self.elements
            if found == tag and all(name.replace("_", "-") in attributes for name in having)
        ]

    @property
    def buttons(self) -> list[dict[str, str | None]]:
        """The buttons that terminate a cluster."""
        return [attributes for attributes in self.all("button") if "data-terminate" in attributes]


def part(browse: TestClient, name: str, environment: str = "dev", **query: Any) -> Read:
    """A part of the page."""
    answer = browse.get(f"{HERE}/parts/{environment}/{name}", params=query)
    assert answer.status_code == 200, answer.text
    return Read(answer.text)


def data(browse: TestClient, name: str, environment: str = "dev", **query: Any) -> Any:
    """The same as JSON."""
    answer = browse.get(f"{HERE}/api/{environment}/{name}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def calls(endpoint_url: str) -> Any:
    """``calls()``: the operations that the embedded AWS was asked for since the last time."""
    seen = {"seq": 0}

    def since() -> list[str]:
        made = requests.get(f"{endpoint_url}/_local/requests?since={seen['seq']}", timeout=10).json()
        seen["seq"] = made[-1]["seq"] if made else seen["seq"]
        return [one["operation"] for one in made]

    return since


@pytest.fixture
def account(
    local_aws: Any, client: Any, catalog: Any, template_url: Any, monkeypatch: Any, new_clients: None
) -> Account:
    """The environment dev on the embedded AWS: storage, and a catalog of clusters with Spark alone."""
    from local_aws.iam.local_user import ACCESS_KEY_ID

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    return Account(client, catalog, template_url)


STACK = {
    "StackName": "sagemaker-emr-dev-catalog",
    "StackStatus": "CREATE_COMPLETE",
    "CreationTime": NOW,
}
PRODUCT_ID = "prod-1"


def catalog_of(
    aws: ScriptedAws,
    tags: list[dict[str, str]],
    page_size: int = 100,
    instances: str = "1 m5.xlarge + 2 m5.xlarge",
) -> None:
    """AWS with an environment of many clusters: one for each set of tags, numbered, the first the oldest.

    :param instances: what the clusters' own tag says that they were launched with.
    """
    outputs = {"ProductId": PRODUCT_ID, "ArtifactsBucket": "a", "FeaturesBucket": "f", "RawBucket": "r"}
    listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    aws.on("DescribeStacks", {"Stacks": [{**STACK, "Outputs": listed}]})
    arns = [
        f"arn:aws:servicecatalog:us-east-1:123456789012:stack/cluster-{n}/pp-{n}" for n in range(len(tags))
    ]
    products = [
        {
            "Name": f"cluster-{number}",
            "Arn": arns[number],
            "Status": "AVAILABLE",
            "ProductId": PRODUCT_ID,
            "CreatedTime": NOW,
            "Tags": names.to_tag_list(own),
        }
        for number, own in enumerate(tags)
    ]
    clusters = [
        {
            "Id": f"j-{number}",
            "Name": "Example_Two_Node_Cluster",
            "Status": {
                "State": "WAITING",
                "Timeline": {"CreationDateTime": NOW - timedelta(minutes=len(tags) - number)},
            },
        }
        for number in range(len(tags))
    ]
    tagged = [
        {
            "ResourceARN": f"arn:aws:elasticmapreduce:us-east-1:123456789012:cluster/j-{number}",
            "Tags": names.to_tag_list(
                {
                    "aws:servicecatalog:provisionedProductArn": arns[number],
                    "sagemaker-emr:instances": instances,
                }
            ),
        }
        for number in range(len(tags))
    ]
    aws.on(
        "SearchProvisionedProducts",
        paged(products, "ProvisionedProducts", page_size, "PageToken", "NextPageToken"),
    )
    aws.on("ListClusters", paged(clusters, "Clusters", 50, "Marker", "Marker"))
    aws.on("GetResources", paged(tagged, "ResourceTagMappingList", 100, "PaginationToken", "PaginationToken"))


def paged(items: list[Any], member: str, size: int, given: str, token: str) -> Any:
    """An operation that answers a page of ``items`` at a time."""

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        start = int(request.get(given) or 0)
        more = {token: str(start + size)} if start + size < len(items) else {}
        return {member: items[start : start + size], **more}

    return answer


def put_evaluation(s3: Any, bucket: str, job: str, day: str, rmse: float, baseline: float = 19.0) -> None:
    """What evaluate_model leaves of a model that was evaluated on one day."""
    trained = (datetime.fromisoformat(day) - timedelta(days=3)).date().isoformat()
    document = {
        "rmse": rmse,
        "baseline_rmse": baseline,
        "baselines": {"mean": baseline, "route_mean": baseline + 1},
        "evaluation_rows": 10,
        "training_rows": 100,
        "evaluation_dates": [day],
        "training_dates": [trained],
    }
    s3.put_object(Bucket=bucket, Key=f"evaluations/{job}/evaluation.json", Body=json.dumps(document).encode())
    s3.put_object(Bucket=bucket, Key=f"evaluations/{job}/predictions.jsonl", Body=b"{}")
