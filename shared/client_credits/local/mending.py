"""Mends what the emulator gets wrong, inside its own process, before it starts.

A resource of a nested stack that an update leaves alone lost its attributes, so that whatever named one by
``Fn::GetAtt`` failed: the emulator hands an unchanged resource's attributes on in root stacks only.
"""

from typing import Any


def mend_updates_of_nested_stacks() -> None:
    """Let a resource that an update leaves alone keep its attributes, whatever stack it stands in."""
    # Not at the top of the file: loading the emulator takes a second or two.
    from ministack.services import cloudformation  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    update = provisioners._update_resource

    def update_keeping_attributes(
        resource_type: str,
        physical_id: str,
        before: dict[str, Any],
        after: dict[str, Any],
        stack_name: str,
        logical_id: str | None = None,
        old_attrs: dict[str, Any] | None = None,
    ) -> Any:
        if old_attrs is None:
            resources = (cloudformation._stacks.get(stack_name) or {}).get("_resources", {})
            old_attrs = resources.get(logical_id, {}).get("Attributes")
        return update(resource_type, physical_id, before, after, stack_name, logical_id, old_attrs)

    provisioners._update_resource = update_keeping_attributes
