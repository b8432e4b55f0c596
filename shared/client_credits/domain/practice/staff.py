"""Who stands behind an actor's id: what the directory of staff keeps for people to read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StaffMember:
    """A member of staff as their token named them last."""

    actor_id: str
    name: str | None = None
    email: str | None = None

    @property
    def shown(self) -> str | None:
        """What people read: the name, else the e-mail."""
        return self.name or self.email
