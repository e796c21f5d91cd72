"""Resources of stacks: what a class has to offer, and how the engine makes, changes and removes one.

A resource type is a *direct* subclass of moto's ``CloudFormationModel`` (list it in the bases beside any
other), in a module that ``local_aws.registry`` imports. Types that only moto implements are not offered: moto
drops most properties silently. The engine uses a class like this:

``cloudformation_type()``
    ``"AWS::EMR::Cluster"``.
``cloudformation_name_type()``
    The property that names the resource, or ``""``. Where the template leaves it out, ``resource_name`` is a
    generated name, ``<stack>-<logical id>-<12 characters>``.
``create_from_cloudformation_json(resource_name, cloudformation_json, account_id, region_name, **kwargs)``
    Classmethod. ``cloudformation_json["Properties"]`` has all functions resolved and was checked against the
    type's schema; stack tags and the ``aws:cloudformation:*`` tags are in ``Tags`` where the schema has it.
    ``kwargs``: ``LogicalId``, ``StackId``, ``ResourceType``. Returns the object at once. Any exception fails
    the resource with its message.
``physical_resource_id``
    What ``Ref`` gives, set when ``create_from_cloudformation_json`` returns.
``is_created()``
    Polled until True; whatever it raises fails the resource with that message. The object is then deleted in
    the rollback, like the others.
``get_cfn_attribute(name)``
    What ``Fn::GetAtt`` gives; raises ``UnformattedGetAttTemplateException`` for an unknown name.
``update_from_cloudformation_json(original_resource, new_resource_name, cloudformation_json, account_id, region_name)``
    Classmethod, for changes without replacement only; returns the object. A changed create-only property is
    the engine's business: it creates a new resource and deletes the old one at the end. Properties that
    can't be changed must raise.
``is_updated()``
    Optional; polled after an update until True, may raise.
``delete(account_id, region_name)``
    Starts the deletion; raises when it is refused.
``is_deleted()``
    Optional; polled after ``delete`` until True; whatever it raises makes it DELETE_FAILED.
``supported_properties``
    Optional class attribute, a set; any other property fails the resource, since nothing is ignored.

Exceptions may have ``message`` (moto's have) or be botocore's ``ClientError``; otherwise ``str()`` is shown.
"""  # noqa: E501

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import UnformattedGetAttTemplateException

from local_aws.cloudformation import schemas
from local_aws.cloudformation.exceptions import ResourceFailed, ValidationError
from local_aws.iam import enforcement

NAME_LENGTHS = {"AWS::S3::Bucket": 63, "AWS::IAM::Role": 64, "AWS::IAM::InstanceProfile": 128}
DEFAULT_NAME_LENGTH = 128


def resource_class(resource_type: str) -> Any | None:
    """The class that plays a type, None if local_aws has none."""
    found = parsing.get_model_map().get(resource_type)
    return None if found is None or found.__module__.startswith("moto.") else found


def generated_name(stack_name: str, logical_id: str, resource_type: str) -> str:
    """A physical name as CloudFormation makes it."""
    suffix = "".join(random.choices(string.ascii_uppercase + string.digits, k=12))
    tail = f"-{logical_id}-{suffix}"
    name = stack_name[: NAME_LENGTHS.get(resource_type, DEFAULT_NAME_LENGTH) - len(tail)] + tail
    return name.lower() if resource_type == "AWS::S3::Bucket" else name


def reason(error: BaseException) -> str:
    """CloudFormation's status reason for what a resource's class raised."""
    if isinstance(error, (ResourceFailed, ValidationError)):
        return str(error)
    code = "GeneralServiceException"
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    if isinstance(error, ClientError):
        details = error.response
        code = _handler_error_code(str(details["Error"].get("Code")))
        status = details["ResponseMetadata"].get("HTTPStatusCode")
        message = f"{details['Error'].get('Message')} (Status Code: {status}, {details['Error'].get('Code')})"
    return (
        f'Resource handler returned message: "{message}" (RequestToken: {uuid.uuid4()}, '
        f"HandlerErrorCode: {code})"
    )


def _handler_error_code(code: str) -> str:
    if "NotFound" in code or "NoSuch" in code:
        return "NotFound"
    if "AlreadyExists" in code or "AlreadyOwned" in code or code.endswith("Duplicate"):
        return "AlreadyExists"
    if code in ("ValidationError", "InvalidParameterValue", "MalformedPolicyDocument", "ValidationException"):
        return "InvalidRequest"
    return "GeneralServiceException"


class Resource:
    """One resource of a stack, its state apart from the events."""

    def __init__(self, logical_id: str, resource_type: str, properties: dict[str, Any]) -> None:
        self.logical_id = logical_id
        self.type = resource_type
        self.properties = properties
        self.deletion_policy = "Delete"
        self.update_replace_policy = "Delete"
        self.metadata: Any = None
        self.made: Any = None
        self.is_made = False
        self.name = ""

    @property
    def physical_id(self) -> str:
        """What ``Ref`` gives."""
        return str(getattr(self.made, "physical_resource_id", None) or "")


class Handler:
    """Makes, changes and removes resources of one stack.

    :param poll: called between two looks at a resource that is not ready; passes time.
    :param tags: tags that every taggable resource gets besides its own; called per logical id.
    """

    def __init__(
        self,
        account_id: str,
        region: str,
        stack_id: str,
        stack_name: str,
        *,
        tags: Callable[[str], Mapping[str, str]],
        poll: Callable[[], None],
    ) -> None:
        self.account_id = account_id
        self.region = region
        self.stack_id = stack_id
        self.stack_name = stack_name
        self._tags = tags
        self._poll = poll

    def create(self, resource: Resource, initiated: Callable[[], None]) -> None:
        """Create, unless that was begun, and wait until it is there.

        :param initiated: called when the physical id is known.
        :raises Exception: whatever the class raises; ``reason`` words it.
        """
        if resource.made is None:
            self._begin_create(resource)
            initiated()
        while not resource.made.is_created():
            self._poll()

    def _begin_create(self, resource: Resource) -> None:
        model = self._model(resource)
        name_property = model.cloudformation_name_type()
        resource.name = str(
            resource.properties.get(name_property)
            or generated_name(self.stack_name, resource.logical_id, resource.type)
        )
        self._authorize(resource, "create")
        resource.made = model.create_from_cloudformation_json(
            resource.name,
            self._json(resource),
            self.account_id,
            self.region,
            LogicalId=resource.logical_id,
            StackId=self.stack_id,
            ResourceType=resource.type,
        )

    def update(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Change in place and wait for it.

        :raises Exception: whatever the class raises.
        """
        changed = Resource(resource.logical_id, resource.type, properties)
        model = self._model(changed)
        if getattr(model.update_from_cloudformation_json, "__isabstractmethod__", False):
            raise ResourceFailed(f"local_aws can't update a resource of type {resource.type} in place.")
        self._authorize(changed, "update")
        resource.made = model.update_from_cloudformation_json(
            original_resource=resource.made,
            new_resource_name=resource.name,
            cloudformation_json=self._json(changed),
            account_id=self.account_id,
            region_name=self.region,
        )
        resource.properties = properties
        self.wait_updated(resource)

    def wait_updated(self, resource: Resource) -> None:
        """Wait for a change in place.

        :raises Exception: whatever the class raises.
        """
        while not getattr(resource.made, "is_updated", lambda: True)():
            self._poll()

    def delete(self, resource: Resource) -> None:
        """Delete and wait until it is gone; a resource that is gone already counts as deleted.

        :raises Exception: whatever the class raises.
        """
        self._authorize(resource, "delete")
        try:
            resource.made.delete(self.account_id, self.region)
        except ClientError as error:
            if _handler_error_code(str(error.response["Error"].get("Code"))) != "NotFound":
                raise
            return
        while not getattr(resource.made, "is_deleted", lambda: True)():
            self._poll()

    def _authorize(self, resource: Resource, verb: str) -> None:
        """Service Catalog's types don't call its API, which would check it."""
        if resource.type.startswith("AWS::ServiceCatalog::"):
            permissions = schemas.permissions(self.region, resource.type, verb)
            role_arn = resource.properties.get("RoleArn") if verb == "create" else None
            enforcement.check_type(self.region, permissions, role_arn)

    def attribute(self, resource: Resource, name: str) -> Any:
        """What ``Fn::GetAtt`` gives.

        :raises ValidationError: the type has no such attribute.
        """
        if schemas.identifier(self.region, resource.type) == {name}:
            return resource.physical_id
        try:
            return resource.made.get_cfn_attribute(name)
        except (UnformattedGetAttTemplateException, AttributeError, NotImplementedError):
            raise ValidationError(
                f"Template error: resource {resource.logical_id} does not support attribute type {name} in "
                "Fn::GetAtt"
            ) from None

    def _model(self, resource: Resource) -> Any:
        model = resource_class(resource.type)
        if model is None:
            raise ResourceFailed(f"Unrecognized resource type: {resource.type}")
        schemas.validate(self.region, resource.logical_id, resource.type, resource.properties)
        supported = getattr(model, "supported_properties", None)
        extra = sorted(set(resource.properties) - set(supported)) if supported is not None else []
        if extra:
            raise ResourceFailed(
                f"Properties validation failed for resource {resource.logical_id} with message:\n"
                f"#: local_aws does not play the properties {', '.join(extra)} of {resource.type}"
            )
        return model

    def _json(self, resource: Resource) -> dict[str, Any]:
        properties = dict(resource.properties)
        if schemas.taggable(self.region, resource.type):
            tags = dict(self._tags(resource.logical_id))
            tags.update({tag["Key"]: str(tag["Value"]) for tag in properties.get("Tags", [])})
            properties["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {"Type": resource.type, "Properties": properties}
