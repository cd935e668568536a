"""Uploads in parts that nobody goes on with: kept as long as they may go on, then gone without a trace."""

from tests.integration.media.test_media import ANN, Media, keys, parts, running
from tests.support.running import Stores
from tests.support.waiting import eventually

from tidings.platform import mongo


async def begin(media: Media) -> str:
    body = {"fileName": "a.bin", "mimeType": "application/octet-stream", "size": 10}
    answer = await media.http.post("/api/v1/media/uploads", json=body, headers=media.headers(ANN))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_what_may_go_on_is_kept_and_what_may_not_is_gone(stores: Stores, namespace: str) -> None:
    times = {"TIDINGS_MEDIA_PENDING_TIMEOUT_S": "1", "TIDINGS_MEDIA_SWEEP_INTERVAL_S": "0.2"}
    database_name = f"{namespace}_media"
    async with (
        running(stores, namespace, **times) as media,
        mongo.connect(stores.mongo_url, database_name) as database,
    ):
        objects = parts(media)[1]
        kept = await keys(media)
        upload = await begin(media)
        stray = await objects.begin_parts("incoming/of-nobody")

        async def stray_gone() -> bool:
            return stray not in [upload_id for _, upload_id in await objects.unfinished_parts(-60)]

        await eventually(stray_gone, "what belongs to no upload is dropped after the short time")
        headers = media.headers(ANN)
        assert (await media.http.get(f"/api/v1/media/uploads/{upload}", headers=headers)).status_code == 200
        old = {"$set": {"changedAt": 1}}  # nobody went on with it for a day and more
        await database["media"].update_one({"_id": upload}, old)

        async def gone() -> bool:
            return await database["media"].count_documents({}) == 0 and await objects.unfinished_parts(-60) == []

        await eventually(gone, "record and parts are gone")
        assert (await media.http.get(f"/api/v1/media/uploads/{upload}", headers=headers)).status_code == 404
        assert await keys(media) == kept
