"""gRPC of user-service: decode, call one action, encode."""

from typing import Any

import msgspec

from tidings.rpc.v1 import user_pb2 as pb
from tidings.rpc.v1.user_pb2_grpc import UserServiceServicer
from tidings.user.erase import Erasure
from tidings.user.people import Ask, People
from tidings.user.profile import allows
from tidings.user.store import Store


class UserRpc(UserServiceServicer):
    """The service of proto/user.proto."""

    def __init__(self, store: Store, people: People, erasure: Erasure) -> None:
        self._store, self._people, self._erasure = store, people, erasure

    async def GetUser(self, request: pb.GetUserRequest, context: Any) -> pb.GetUserResponse:
        found = await self._people.shown(request.viewer_id, [request.user_id], request.base_url)
        user = found.get(request.user_id)
        return pb.GetUserResponse(user_json=b"" if user is None else msgspec.json.encode(user))

    async def GetUsers(self, request: pb.GetUsersRequest, context: Any) -> pb.GetUsersResponse:
        asks = [Ask(ask.viewer_id, ask.user_ids, ask.base_url) for ask in request.asks]
        return pb.GetUsersResponse(
            answers=[
                pb.Users(users=[pb.UserEntry(user_id=i, user_json=msgspec.json.encode(u)) for i, u in found.items()])
                for found in await self._people.shown_to(asks)
            ]
        )

    async def CheckPresence(self, request: pb.CheckPresenceRequest, context: Any) -> pb.CheckPresenceResponse:
        found = await self._people.presence([(q.viewer_id, q.user_id) for q in request.queries])
        return pb.CheckPresenceResponse(
            results=[pb.PresenceResult(online=s.online, last_seen_ms=s.last_seen_ms or 0) for s in found]
        )

    async def GetPushTargets(self, request: pb.GetPushTargetsRequest, context: Any) -> pb.GetPushTargetsResponse:
        return pb.GetPushTargetsResponse(
            targets=[
                pb.PushTarget(id=d.id, user_id=d.user_id, session_id=d.session_id, kind=d.kind, address=d.address)
                for d in await self._store.devices(list(request.user_ids))
            ]
        )

    async def DropPushTarget(self, request: pb.DropPushTargetRequest, context: Any) -> pb.DropPushTargetResponse:
        await self._store.drop_device(request.id)
        return pb.DropPushTargetResponse()

    async def GetRelations(self, request: pb.GetRelationsRequest, context: Any) -> pb.GetRelationsResponse:
        found = await self._store.people(request.user_id, list(request.other_ids))
        out = []
        for other_id in request.other_ids:
            person = found.get(other_id)
            if person is None:
                out.append(pb.Relation(other_id=other_id))
                continue
            out.append(
                pb.Relation(
                    other_id=other_id,
                    exists=True,
                    deleted=person.deleted,
                    blocked_by_me=person.blocked,
                    blocked_me=person.blocks_viewer,
                    may_add_to_group=allows(person.privacy.groups, person, request.user_id),
                )
            )
        return pb.GetRelationsResponse(relations=out)

    async def GetBlocks(self, request: pb.GetBlocksRequest, context: Any) -> pb.GetBlocksResponse:
        pairs = [(pair.one, pair.other) for pair in request.pairs]
        apart = await self._store.apart(set(pairs))
        return pb.GetBlocksResponse(blocked=[pair in apart for pair in pairs])

    async def GetChangedPeople(self, request: pb.GetChangedPeopleRequest, context: Any) -> pb.GetChangedPeopleResponse:
        changed, seen = await self._people.changed(request.viewer_id, list(request.user_ids), request.since_ms)
        return pb.GetChangedPeopleResponse(changed_ids=changed, seen_ids=seen)

    async def GetReceiptSettings(
        self, request: pb.GetReceiptSettingsRequest, context: Any
    ) -> pb.GetReceiptSettingsResponse:
        return pb.GetReceiptSettingsResponse(silent_user_ids=await self._store.silent(list(request.user_ids)))

    async def EnsureUser(self, request: pb.EnsureUserRequest, context: Any) -> pb.EnsureUserResponse:
        created, another = await self._store.ensure(request.user_id, request.phone)
        if another:
            self._erasure.soon()
        return pb.EnsureUserResponse(created=created)

    async def EndSession(self, request: pb.EndSessionRequest, context: Any) -> pb.EndSessionResponse:
        await self._store.drop_session(request.session_id)
        return pb.EndSessionResponse()
