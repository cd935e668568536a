"""A stream of an earlier release gets what it lacks and loses nothing."""

import nats
from nats.js.api import StreamConfig
from tests.support.running import Stores

from tidings.contracts.events import MESSAGES, STREAMS
from tidings.platform import bus


async def test_a_stream_that_is_there_gets_new_subjects_and_keeps_the_rest(stores: Stores, namespace: str) -> None:
    client = await nats.connect(stores.nats_url)
    js = client.jetstream()
    async with bus.connect(stores.nats_url, namespace, "first") as first:
        name, subjects = first.stream(MESSAGES), [first.subject(subject) for subject in STREAMS[MESSAGES]]
    await js.delete_stream(name)
    await js.add_stream(StreamConfig(name=name, subjects=subjects[:1], max_msgs=77))
    kept = await js.publish(subjects[0].replace("*", "0"), b"from before")
    async with bus.connect(stores.nats_url, namespace, "next"):
        found = await js.stream_info(name)
    assert found.config.subjects == subjects
    assert found.config.max_msgs == 77  # an operator's
    message = await js.get_msg(name, kept.seq)
    assert message.data == b"from before"
    await client.close()


async def test_a_stream_that_an_operator_widened_stays_as_it_is(stores: Stores, namespace: str) -> None:
    client = await nats.connect(stores.nats_url)
    js = client.jetstream()
    async with bus.connect(stores.nats_url, namespace, "first") as first:
        name, wide = first.stream(MESSAGES), first.subject("msg.>")
    await js.delete_stream(name)
    await js.add_stream(StreamConfig(name=name, subjects=[wide]))
    async with bus.connect(stores.nats_url, namespace, "next") as after:
        await after.publish(after.subject("msg.new.0").removeprefix(after._prefix), b"taken")
        assert (await js.stream_info(name)).config.subjects == [wide]
    await client.close()
