from __future__ import annotations

import pytest
from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink

from sagemaker_emr.links import livy, logs, sagemaker

VALUES = {
    "region_name": "us-east-1",
    "aws_domain": "aws.amazon.com",
    "job_name": "train-model-1",
    "endpoint_name": "flight-delay",
}
CONSOLE = "https://console.aws.amazon.com"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        (sagemaker.SageMakerTrainingJobLink(), "/sagemaker/home?region=us-east-1#/jobs/train-model-1"),
        (sagemaker.SageMakerEndpointLink(), "/sagemaker/home?region=us-east-1#/endpoints/flight-delay"),
        (
            logs.SageMakerTrainingLogLink(),
            "/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/"
            "$252Faws$252Fsagemaker$252FTrainingJobs$3FlogStreamNameFilter$3Dtrain-model-1",
        ),
        (
            logs.SageMakerEndpointLogLink(),
            "/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/"
            "$252Faws$252Fsagemaker$252FEndpoints$252Fflight-delay",
        ),
    ],
)
def test_a_link_leads_to_the_consoles_page(link: BaseAwsLink, url: str) -> None:
    assert link.format_link(**VALUES) == CONSOLE + url


@pytest.mark.parametrize(
    ("domain", "console"),
    [
        ("amazonaws.cn", "https://console.amazonaws.cn/"),
        ("amazonaws-us-gov.com", "https://console.amazonaws-us-gov.com/"),
    ],
)
@pytest.mark.parametrize("link", sagemaker.LINKS, ids=lambda link: link.key)
def test_in_another_partition_a_link_leads_to_its_console(
    link: BaseAwsLink, domain: str, console: str
) -> None:
    assert link.format_link(**{**VALUES, "aws_domain": domain}).startswith(console)


def test_the_batchs_page_is_livys_own() -> None:
    link = livy.LivyBatchLink().format_link(livy_url="http://ip-10-0-0-1:8998", batch_id=0)
    assert link == "http://ip-10-0-0-1:8998/ui/batch/0/log"


def test_the_plugin_can_register_every_link() -> None:
    links = [*sagemaker.LINKS, *livy.LINKS]
    assert len({link.key for link in links}) == len(links) == 5
