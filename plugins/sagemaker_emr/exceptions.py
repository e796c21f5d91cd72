"""Every error this package raises, as one tree.

    SageMakerEmrError
    ├── DeadlineExceeded              a wait ended by its own deadline
    ├── ResourceConflict              a name is taken by something that is not ours
    ├── StackOperationFailed          a CloudFormation operation ended badly
    ├── TerminationFailed             a provisioned product could not be terminated
    ├── LivyUnreachable               no Livy server answers on the cluster
    ├── SparkJobFailed                a Livy batch ended dead or killed
    ├── BatchLost                     a Livy batch is gone, and nobody knows how it ended
    │   └── SharedClusterLost         a shared cluster ended under its holders, who go on with the next
    ├── TrainingFailed                a training job failed or was stopped
    ├── EndpointFailed                an endpoint could not be created or updated
    ├── PredictionMismatch            an endpoint predicts other than its model did offline
    └── NotRetryable                  a retry can't change the answer; Airflow fails the task at once
        ├── SensorDeadlineExceeded    a sensor's timeout passed; a DeadlineExceeded too
        ├── PlatformNotReady          stacks or outputs are missing or broken
        ├── ApprovalRequired          a stack change would replace or delete data
        ├── CatalogMisconfigured      product, artifact, launch path or principal is missing
        ├── SparkJobRejected          a Spark job found that its input can't be used
        ├── StagedFileGone            code that was staged to S3 is no longer there
        ├── ProvisioningFailed        a Service Catalog record failed
        ├── ClusterFailed             an EMR cluster ended before its work did
        ├── InvalidInput              a parameter can't be used
        ├── UnknownState              AWS answers a state that our tables do not have
        ├── ModelRejected             the model does not beat its baselines
        ├── EndpointUnusable          an endpoint is out of service, or serves another run's model
        ├── PriceUnknown              what is to be priced has no row in our tables
        ├── BudgetExceeded            what a run costs, or would cost, is above its budget
        ├── OrphansRemain             what no run owns could not be ended; the next run tries again
        └── RunIncomplete             a run ended without reaching its goal

An error says what failed, AWS's own reason, the resource, and what to do next.
"""

from __future__ import annotations

from sagemaker_emr.airflow_versions import AirflowException, AirflowFailException

NEW_CLUSTER = "Clear request_cluster and what follows it: the run gets a new cluster."
"""The next step after everything that costs a run its cluster: a failed run's teardown ends it."""

STAGE_AGAIN = (
    "Clear the task that staged it, and what follows that: the same content goes to the same address again. "
    "A run of its own does so too."
)


class SageMakerEmrError(AirflowException):
    """Base of the tree.

    :param what: what failed, with the resource's name.
    :param reason: the service's own words, where there are any.
    :param next_step: what the reader can do now.
    """

    def __init__(self, what: str, *, reason: str | None = None, next_step: str | None = None) -> None:
        self.what = what
        self.reason = reason
        self.next_step = next_step
        super().__init__(what)

    def __str__(self) -> str:
        reason = f"\nReason: {self.reason}" if self.reason else ""
        next_step = f"\nNext step: {self.next_step}" if self.next_step else ""
        return f"{self.what}{reason}{next_step}"

    def to_event(self) -> dict[str, str | None]:
        """The error as a trigger event carries it from the triggerer to the task."""
        return {
            "error": type(self).__name__,
            "what": self.what,
            "reason": self.reason,
            "next_step": self.next_step,
        }

    @staticmethod
    def from_event(event: dict[str, str | None]) -> SageMakerEmrError:
        """The error that :meth:`to_event` wrote; an unknown class falls back to the base."""
        cls = _find(SageMakerEmrError, event["error"]) or SageMakerEmrError
        return cls(event["what"] or "", reason=event.get("reason"), next_step=event.get("next_step"))


def _find(cls: type[SageMakerEmrError], name: str | None) -> type[SageMakerEmrError] | None:
    if cls.__name__ == name:
        return cls
    return next((found for sub in cls.__subclasses__() if (found := _find(sub, name))), None)


class DeadlineExceeded(SageMakerEmrError):
    """A wait ended by its own deadline; the work waited for was stopped."""


class ResourceConflict(SageMakerEmrError):
    """A name we derived is taken by something that does not carry our tags."""


class StackOperationFailed(SageMakerEmrError):
    """A CloudFormation operation ended badly; the reason lists the first failed resources."""


class TerminationFailed(SageMakerEmrError):
    """A provisioned product could not be terminated; the cause may pass, so the next try asks anew."""


class LivyUnreachable(SageMakerEmrError):
    """No Livy server answers on the cluster's master node."""


class SparkJobFailed(SageMakerEmrError):
    """A Livy batch ended dead or killed; the reason is the exception from its log."""


class BatchLost(SageMakerEmrError):
    """A Livy batch that completed nothing is gone: Livy was restarted, somebody deleted it, or it ended more
    than ten minutes ago."""


class SharedClusterLost(BatchLost):
    """A shared cluster ended under its holders; the reason is EMR's. They go on with its successor."""


class TrainingFailed(SageMakerEmrError):
    """A training job ended Failed or Stopped; the reason is its FailureReason."""


class EndpointFailed(SageMakerEmrError):
    """An endpoint could not be created or updated; the reason is its FailureReason."""


class PredictionMismatch(SageMakerEmrError):
    """An endpoint's predictions differ from those the model made offline."""


class NotRetryable(SageMakerEmrError, AirflowFailException):
    """A retry can't change the answer, so Airflow fails the task at once."""


class SensorDeadlineExceeded(DeadlineExceeded, NotRetryable):
    """A sensor's timeout passed. Airflow's own sensors do not retry then either."""


class PlatformNotReady(NotRetryable):
    """Stacks or outputs of the platform are missing or broken."""


class ApprovalRequired(NotRetryable):
    """A stack change would replace or delete something that holds data."""


class SparkJobRejected(SparkJobFailed, NotRetryable):
    """A Spark job ended with an error of its own that the same input brings about again."""


class StagedFileGone(NotRetryable):
    """Code that was staged to S3 is no longer there; only the task that staged it brings it back."""


class CatalogMisconfigured(NotRetryable):
    """Product, provisioning artifact, launch path or principal is missing."""


class ProvisioningFailed(NotRetryable):
    """A Service Catalog record ended FAILED."""


class ClusterFailed(NotRetryable):
    """An EMR cluster ended, or never started; the reason is EMR's StateChangeReason."""


class InvalidInput(NotRetryable):
    """A parameter can't be used; the reason says what is allowed."""


class UnknownState(NotRetryable):
    """AWS answers a state that is in none of our tables."""


class ModelRejected(NotRetryable):
    """The model does not beat the simple baselines on the evaluation days."""


class EndpointUnusable(NotRetryable):
    """An endpoint is out of service, or serves what another run deployed."""


class PriceUnknown(NotRetryable):
    """An instance type or a Region has no price in ``include/prices``; the reason lists those that have."""


class BudgetExceeded(NotRetryable):
    """A run would cost more than its budget, or has used it up; the reason shows the sums."""


class OrphansRemain(NotRetryable):
    """What is left over could not be ended; the reason names each thing. The next run tries again."""


class RunIncomplete(NotRetryable):
    """A run ended without reaching its goal; the reason lists the tasks that failed."""
