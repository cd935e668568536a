"""Reading people: profiles with their pictures, and presence, each as one viewer may see it."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tidings.contracts.errors import ApiError
from tidings.contracts.objects import Media, User
from tidings.platform import logging, metrics
from tidings.platform.presence import Presence
from tidings.platform.redis import UNREACHABLE
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import media_pb2
from tidings.user.profile import allows, show
from tidings.user.store import Store

if TYPE_CHECKING:
    from tidings.rpc.v1.media_pb2_grpc import MediaServiceAsyncStub

_log = logging.get(__name__)


class Ask(NamedTuple):
    """Whom a viewer wants to see; `base_url`: where media URLs point, the public URL if empty."""

    viewer_id: str
    user_ids: Sequence[str]
    base_url: str


class Seen(msgspec.Struct):
    """Presence as one viewer may know it."""

    online: bool
    last_seen_ms: int | None


class People:
    """Queries; changes nothing."""

    def __init__(
        self, store: Store, presence: Presence, media: "Peers[MediaServiceAsyncStub]", public_url: str
    ) -> None:
        self._store, self._presence, self._media, self._public_url = store, presence, media, public_url

    async def shown(self, viewer_id: str, user_ids: Sequence[str], base_url: str = "") -> dict[str, User]:
        """People by id; unknown ids are left out."""
        return (await self.shown_to([Ask(viewer_id, user_ids, base_url)]))[0]

    async def shown_to(self, asks: Sequence[Ask]) -> list[dict[str, User]]:
        """The same for several viewers, in the order asked."""
        found = await self._store.seen_by({(ask.viewer_id, user_id) for ask in asks for user_id in ask.user_ids})
        wanted: dict[str, set[str]] = defaultdict(set)
        for ask in asks:
            for user_id in ask.user_ids:
                person = found.get((ask.viewer_id, user_id))
                if person and person.avatar_media_id and allows(person.privacy.avatar, person, ask.viewer_id):
                    wanted[ask.base_url].add(person.avatar_media_id)
        loaded = await asyncio.gather(*(self._pictures(sorted(ids), base_url) for base_url, ids in wanted.items()))
        pictures = dict(zip(wanted, loaded, strict=True))
        shown: list[dict[str, User]] = []
        for viewer_id, user_ids, base_url in asks:
            theirs, own = {u: found.get((viewer_id, u)) for u in user_ids}, pictures.get(base_url, {})
            shown.append({u: show(p, viewer_id, own.get(p.avatar_media_id or "")) for u, p in theirs.items() if p})
        return shown

    async def _pictures(self, media_ids: list[str], base_url: str) -> dict[str, Media]:
        request = media_pb2.GetMediaMetadataRequest(media_ids=media_ids, base_url=base_url or self._public_url)
        try:
            answer = await self._media.call(self._media.stub().GetMediaMetadata, request, timeout_s=1, wait=False)
        except ApiError as error:  # a profile without its picture is better than none
            _log.warning("pictures are left out", error=str(error))
            return {}
        return {m.media_id: msgspec.json.decode(m.media_json, type=Media) for m in answer.media if m.media_json}

    async def changed(self, viewer_id: str, user_ids: Sequence[str], since_ms: int) -> tuple[list[str], list[str]]:
        """Those who may look different to the viewer since a moment, and those who were only seen since. Who hides it
        was not: a chat that comes again with nothing new in it would tell when its peer was there."""
        changed, seen = await self._store.changed(viewer_id, user_ids, since_ms)
        people = await self._store.people(viewer_id, seen) if seen else {}
        return changed, [i for i, p in people.items() if allows(p.privacy.last_seen, p, viewer_id)]

    async def presence(self, pairs: Sequence[tuple[str, str]]) -> list[Seen]:
        """Online or last seen, per (viewer, person), in order. Unknown and hidden people are offline.

        Raises `unavailable` while Redis is away: not known is not offline."""
        facts = await self._store.seen_by(pairs)
        ids = list({user_id for _, user_id in pairs})
        try:
            online = dict(zip(ids, await self._presence.online(ids), strict=True))
        except UNREACHABLE as error:
            metrics.DEPENDENCY.labels("redis").inc()
            raise ApiError("unavailable", "who is online is not known at the moment", retry_after_ms=1000) from error
        out = []
        for viewer_id, user_id in pairs:
            person = facts.get((viewer_id, user_id))
            if person is None:
                out.append(Seen(False, None))
                continue
            is_online = online.get(user_id, False) and allows(person.privacy.online, person, viewer_id)
            shows_time = not is_online and allows(person.privacy.last_seen, person, viewer_id)
            out.append(Seen(is_online, person.last_seen_ms if shows_time else None))
        return out
