"""Whom may see what of a person. Pure: facts in, a User out."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from tidings.contracts.objects import Media, User
from tidings.contracts.times import rfc3339, rfc3339_or_none

Audience = Literal["everyone", "contacts", "nobody"]
DELETED_NAME = "Deleted account"


class Privacy(msgspec.Struct, rename="camel", kw_only=True):
    """`GET /users/me/privacy`."""

    last_seen: Audience = "everyone"
    online: Audience = "everyone"
    avatar: Audience = "everyone"
    about: Audience = "everyone"
    groups: Audience = "everyone"
    read_receipts: bool = True


class PrivacyChange(msgspec.Struct, rename="camel", kw_only=True):
    """`PUT /users/me/privacy`: what is not given stays as it is, so that a client of an older release hides no less."""

    last_seen: Audience | UnsetType = UNSET
    online: Audience | UnsetType = UNSET
    avatar: Audience | UnsetType = UNSET
    about: Audience | UnsetType = UNSET
    groups: Audience | UnsetType = UNSET
    read_receipts: bool | UnsetType = UNSET


class Person(msgspec.Struct, kw_only=True):
    """A person and what stands between them and one viewer."""

    id: str
    phone: str | None
    name: str
    about: str | None
    avatar_media_id: str | None
    last_seen_ms: int | None
    deleted: bool
    updated_at_ms: int
    privacy: Privacy
    is_contact: bool = False  # the viewer has this person as a contact
    contact_name: str | None = None  # under this name
    knows_phone: bool = False  # the viewer synced or added this person by number
    has_viewer: bool = False  # this person has the viewer as a contact
    blocked: bool = False  # the viewer blocked this person
    blocks_viewer: bool = False


def allows(audience: Audience, person: Person, viewer_id: str) -> bool:
    """Whether one privacy setting lets the viewer see. A block hides everything, either way."""
    if person.id == viewer_id:
        return True
    if person.blocked or person.blocks_viewer or person.deleted:
        return False
    return audience == "everyone" or (audience == "contacts" and person.has_viewer)


def show(person: Person, viewer_id: str, avatar: Media | None) -> User:
    """A person as the viewer sees them; what privacy hides is null."""
    mine = person.id == viewer_id
    privacy = person.privacy
    return User(
        id=person.id,
        name=DELETED_NAME if person.deleted else (person.contact_name or person.name),
        about=person.about if allows(privacy.about, person, viewer_id) else None,
        avatar=avatar if allows(privacy.avatar, person, viewer_id) else None,
        phone=person.phone if mine or person.knows_phone else None,
        last_seen=rfc3339_or_none(person.last_seen_ms) if allows(privacy.last_seen, person, viewer_id) else None,
        is_contact=person.is_contact,
        is_blocked=person.blocked,
        deleted=person.deleted,
        updated_at=rfc3339(person.updated_at_ms),
    )
