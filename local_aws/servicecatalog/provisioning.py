"""Launching, updating and terminating products: each in a thread of its own, over AWS's time.

https://docs.aws.amazon.com/servicecatalog/latest/dg/API_ProvisionProduct.html
https://docs.aws.amazon.com/servicecatalog/latest/dg/API_UpdateProvisionedProduct.html
https://docs.aws.amazon.com/servicecatalog/latest/dg/API_TerminateProvisionedProduct.html
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from local_aws import clock, persistence
from local_aws.cloudformation import launch
from local_aws.cloudformation.exceptions import CloudFormationError
from local_aws.cloudformation.stack import Stack
from local_aws.servicecatalog import templates
from local_aws.servicecatalog.browsing import BrowsingBackend
from local_aws.servicecatalog.catalog import Artifact, Product, Tags
from local_aws.servicecatalog.exceptions import InvalidParameters, ResourceNotFound, UnderChange
from local_aws.servicecatalog.launching import check_launch_role
from local_aws.servicecatalog.permissions import Caller
from local_aws.servicecatalog.records import STACK_ARN_KEY, OperationFailed, ProvisionedProduct, Record

CREATED_SECONDS = 5.0
POLL_SECONDS = 2.0
REMEDIATION_SECONDS = 30.0
STACK_FAILED = "AmazonCloudFormationException"

logger = logging.getLogger(__name__)


class ProvisioningBackend(BrowsingBackend):
    """Provisioned products and their records."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.provisioned: dict[str, ProvisionedProduct] = {}
        self.records: dict[str, Record] = {}
        self.record_tokens: dict[tuple[str, str], str] = {}
        self.provisioning_lock = threading.RLock()

    # Looking up

    def provisioned_product(self, id: str | None = None, name: str | None = None) -> ProvisionedProduct:
        """:raises ResourceNotFound: there is none, or none any more."""
        if bool(id) == bool(name):
            raise InvalidParameters("Either the id or the name of the provisioned product must be specified.")
        for provisioned in list(self.provisioned.values()):
            if id == provisioned.id or (name and name == provisioned.name):
                return provisioned
        raise ResourceNotFound(f"Provisioned Product not found: {id or name}")

    def record(self, record_id: str) -> Record:
        """:raises ResourceNotFound: there is none of that id."""
        try:
            return self.records[record_id]
        except KeyError:
            raise ResourceNotFound(f"Record {record_id} not found.") from None

    def last_outputs(self, provisioned: ProvisionedProduct) -> list[dict[str, str]]:
        """The outputs of the last successful launch or update."""
        record_id = provisioned.last_successful_provisioning_record_id
        return self.records[record_id].outputs if record_id else []

    # Requests

    def provision(
        self,
        *,
        caller: Caller,
        product: Product,
        artifact: Artifact,
        path: tuple[str | None, str | None],
        name: str,
        parameters: dict[str, str],
        tags: Tags,
        token: str,
    ) -> Record:
        """Launch a version of a product under a name of the caller's choice.

        The same token answers with the same record for ever, be the product terminated since.

        :param path: id or name of the launch path, both None where there is only one.
        :raises ResourceNotFound: the caller has no launch path.
        :raises InvalidParameters: the name is taken, or the version is inactive.
        """
        with self.provisioning_lock:
            if known := self.record_tokens.get(("PROVISION_PRODUCT", token)):
                return self.records[known]
            launch_path = self.launch_path(product, caller, *path)
            if not artifact.active:
                raise InvalidParameters(f"Provisioning artifact {artifact.id} is not active.")
            if any(name == other.name for other in self.provisioned.values()):
                raise InvalidParameters(f"A stack named {name} already exists.")
            provisioned = ProvisionedProduct(
                name=name,
                account_id=self.account_id,
                region_name=self.region_name,
                caller_arn=caller.arn,
                token=token,
                product=product,
                artifact=artifact,
                path=launch_path,
                parameters=parameters,
                tags=tags,
            )
            self.provisioned[provisioned.id] = provisioned
            record = self._open("PROVISION_PRODUCT", provisioned, artifact, token)
        self._start(record, partial(self._launch, provisioned, record))
        return record

    def update_provisioned(
        self,
        provisioned: ProvisionedProduct,
        *,
        artifact: Artifact,
        parameters: dict[str, str],
        token: str,
    ) -> Record:
        """Change a provisioned product's version or parameters.

        :raises UnderChange: another operation is in progress.
        """
        with self.provisioning_lock:
            if known := self.record_tokens.get(("UPDATE_PROVISIONED_PRODUCT", token)):
                return self.records[known]
            _refuse_under_change(provisioned, "updated")
            record = self._open("UPDATE_PROVISIONED_PRODUCT", provisioned, artifact, token)
        self._start(record, partial(self._update, provisioned, record, parameters))
        return record

    def terminate(
        self, provisioned: ProvisionedProduct, *, token: str, ignore_errors: bool, retain: bool
    ) -> Record:
        """End a provisioned product with all its resources.

        :param ignore_errors: stop managing the product even if its resources can't be deleted.
        :param retain: leave the stack and its resources.
        :raises UnderChange: another operation, or a termination under another token, is in progress.
        """
        with self.provisioning_lock:
            if provisioned.terminate_token == token and provisioned.status == "UNDER_CHANGE":
                return self.records[provisioned.last_record_id]
            _refuse_under_change(provisioned, "terminated")
            provisioned.terminate_token = token
            record = self._open("TERMINATE_PROVISIONED_PRODUCT", provisioned, provisioned.artifact, None)

        self._start(
            record, partial(self._end, provisioned, record, ignore_errors=ignore_errors, retain=retain)
        )
        return record

    def resume(self) -> dict[str, int]:
        """Go on with the records that a crash of the server interrupted; how many."""
        interrupted = [record for record in self.records.values() if record.work is not None]
        for record in interrupted:
            self._go_on(record)
        return {"Service Catalog records": len(interrupted)}

    # Work in the background

    def _open(
        self, kind: str, provisioned: ProvisionedProduct, artifact: Artifact, token: str | None
    ) -> Record:
        record = Record(kind, provisioned, artifact)
        self.records[record.id] = record
        if token is not None:
            self.record_tokens[kind, token] = record.id
            provisioned.last_provisioning_record_id = record.id
        provisioned.status, provisioned.status_message = "UNDER_CHANGE", ""
        provisioned.last_record_id = record.id
        return record

    def _start(self, record: Record, work: Callable[[], None]) -> None:
        record.work = work
        self._go_on(record)

    def _go_on(self, record: Record) -> None:
        provisioned, work = record.target, record.work
        assert work is not None  # noqa: S101
        failed_status = "ERROR" if record.type == "PROVISION_PRODUCT" else "TAINTED"

        def run() -> None:
            if record.status == "CREATED":
                clock.sleep(CREATED_SECONDS)
            if self.records.get(record.id) is not record:
                return  # the backend was reset
            if record.status == "CREATED":
                record.advance("IN_PROGRESS")
            try:
                work()
            except OperationFailed as failure:
                self._failed(provisioned, record, failure, failed_status)
            except CloudFormationError as error:
                self._failed(provisioned, record, _refused(error), failed_status)
            except Exception as error:
                logger.exception("Record %s broke", record.id)
                self._failed(
                    provisioned, record, OperationFailed("InternalError", repr(error)), failed_status
                )
            else:
                if record.type != "TERMINATE_PROVISIONED_PRODUCT":
                    provisioned.last_successful_provisioning_record_id = record.id
                provisioned.status = "AVAILABLE"
                record.advance("SUCCEEDED")
            record.work = None

        target = persistence.background(run, inside=True)
        threading.Thread(target=target, name=f"servicecatalog-{record.id}", daemon=True).start()

    def _failed(
        self, provisioned: ProvisionedProduct, record: Record, failure: OperationFailed, status: str
    ) -> None:
        provisioned.status_message = f"{failure.code}  {failure.description}"
        provisioned.terminate_token = None
        provisioned.status = status
        record.fail(failure)

    def _launch(self, provisioned: ProvisionedProduct, record: Record) -> None:
        stack = self._stack(provisioned) if provisioned.stack_id else self._create_stack(provisioned)
        record.outputs = _outputs(stack)
        _follow(stack, record, "CREATE_COMPLETE")
        record.outputs = _outputs(stack)

    def _create_stack(self, provisioned: ProvisionedProduct) -> Stack:
        check_launch_role(provisioned, "launch", templates.parse(provisioned.artifact.template))
        stack = launch.create_stack(
            self.account_id,
            self.region_name,
            name=provisioned.stack_name,
            template_body=provisioned.artifact.template,
            parameters=provisioned.parameters,
            tags=provisioned.stack_tags(),
            role_arn=provisioned.launch_role_arn,
        )
        provisioned.stack_id = stack.stack_id
        return stack

    def _stack(self, provisioned: ProvisionedProduct) -> Stack:
        stack = launch.find_stack(self.account_id, self.region_name, provisioned.stack_id or "")
        if stack is None:
            raise OperationFailed(STACK_FAILED, f"Stack [{provisioned.stack_name}] does not exist")
        return stack

    def _update(self, provisioned: ProvisionedProduct, record: Record, parameters: dict[str, str]) -> None:
        stack = self._stack(provisioned)
        if record.changes_stack or self._update_stack(provisioned, record, stack, parameters):
            record.changes_stack = True
            _follow(stack, record, "UPDATE_COMPLETE")
        provisioned.artifact, provisioned.parameters = record.artifact, parameters
        record.outputs = _outputs(stack)

    def _update_stack(
        self, provisioned: ProvisionedProduct, record: Record, stack: Stack, parameters: dict[str, str]
    ) -> bool:
        check_launch_role(provisioned, "update", templates.parse(record.artifact.template))
        return launch.update_stack(
            self.account_id,
            self.region_name,
            name=stack.stack_id,
            template_body=record.artifact.template,
            parameters=parameters,
            tags=provisioned.stack_tags(),
            role_arn=provisioned.launch_role_arn,
        )

    def _end(
        self, provisioned: ProvisionedProduct, record: Record, *, ignore_errors: bool, retain: bool
    ) -> None:
        if not retain:
            try:
                self._delete_stack(provisioned, record)
            except (OperationFailed, CloudFormationError):
                if not ignore_errors:
                    raise
        self.provisioned.pop(provisioned.id, None)

    def _delete_stack(self, provisioned: ProvisionedProduct, record: Record) -> None:
        if provisioned.stack_id is None:
            return
        check_launch_role(provisioned, "terminate", templates.parse(provisioned.artifact.template))
        stack = launch.delete_stack(self.account_id, self.region_name, provisioned.stack_id)
        if stack is not None:
            _follow(stack, record, "DELETE_COMPLETE")


def _refuse_under_change(provisioned: ProvisionedProduct, verb: str) -> None:
    if provisioned.status == "UNDER_CHANGE":
        raise UnderChange(f"Provisioned product {provisioned.id} is UNDER_CHANGE and cannot be {verb} now.")


def _refused(error: CloudFormationError) -> OperationFailed:
    """What a record says when CloudFormation refused a call."""
    origin = f"(Service: AmazonCloudFormation; Status Code: 400; Error Code: {error.code})"
    return OperationFailed(STACK_FAILED, f"{error.message} {origin}")


def _follow(stack: Stack, record: Record, wanted: str) -> None:
    """Wait for the end of a stack's operation, the record showing whether it goes well.

    :raises OperationFailed: the stack ended in another state than ``wanted``.
    """
    while not clock.wait(stack.done, POLL_SECONDS):
        if "ROLLBACK" in stack.status:
            record.advance("IN_PROGRESS_IN_ERROR")
    if stack.status != wanted:
        record.advance("IN_PROGRESS_IN_ERROR")
        clock.sleep(REMEDIATION_SECONDS)
        raise OperationFailed(STACK_FAILED, _reason(stack))


def _reason(stack: Stack) -> str:
    """Why a stack's operation failed: its state, and what its first failed resource says."""
    why = launch.first_failure(stack) or stack.status_reason or ""
    return f"Stack {stack.stack_id} is {stack.status}. {why}".rstrip()


def _outputs(stack: Stack) -> list[dict[str, str]]:
    arn = {
        "OutputKey": STACK_ARN_KEY,
        "OutputValue": stack.stack_id,
        "Description": "The ARN of the launched Cloudformation Stack",
    }
    own: list[dict[str, Any]] = [
        {key: value for key, value in output.items() if key != "ExportName"} for output in stack.outputs
    ]
    return [arn, *own]
