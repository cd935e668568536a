"""What a killed writer began is finished by the next: a change that was stored and not applied to its message."""

from tests.integration.message.test_service import ANN, BEN, World, world  # noqa: F401
from tests.support.waiting import eventually

from tidings.contracts.ids import new_id
from tidings.platform import mongo


async def test_row_26_a_change_that_was_stored_is_applied_by_who_takes_over(world: World) -> None:  # noqa: F811
    chat = world.room(ANN, BEN)
    database = f"{world.environ['TIDINGS_NAMESPACE']}_message"
    async with mongo.connect(world.environ["TIDINGS_MONGO_URL"], database) as found:
        async with world.instance("message-1") as one:
            message = (await one.send(chat, ANN, "m"))[0].message_id
            before = await found["entries"].find_one({"_id": message})
            await one.change(ANN, message, edit_content_json=b'"better"')
        # As if it had been killed between the insert of the change and its application.
        dead = new_id()
        assert before is not None
        await found["entries"].replace_one({"_id": message}, before)
        await found["entries"].update_many({"chatId": chat}, {"$set": {"writer": dead}})
        await found["writers"].insert_one(
            {"_id": dead, "instance": "message-1", "publishedThrough": "", "leaseUntil": 1, "closed": False}
        )
        async with world.instance("message-2") as two:

            async def shown() -> bool:
                page = await two.entries(BEN, chat)
                return bool(page["items"][0]["content"]["text"] == "better")

            await eventually(shown, "the edit is applied")
