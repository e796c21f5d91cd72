"""Link to a batch in Livy's own pages."""

from __future__ import annotations

from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink


class LivyBatchLink(BaseAwsLink):
    """The batch's log in Livy's UI, for those whose browser reaches the cluster's subnet."""

    name = "Livy batch"
    key = "livy_batch"
    format_str = "{livy_url}/ui/batch/{batch_id}/log"


LINKS = (LivyBatchLink(),)
