"""PostgreSQL restarted, full or stuck: a pause or `unavailable`, never 500."""

import asyncio
import secrets

import asyncpg
import pytest
from tests.support.services import World

from tidings.platform.secrets import secret


async def as_root(world: World, name: str, statement: str) -> None:
    url = world.environ[f"TIDINGS_{name.upper()}_POSTGRES_URL"]
    place, _, database = url.rpartition("@")[2].partition("/")
    host, _, port = place.partition(":")
    root = await asyncpg.connect(
        host=host, port=int(port), user="postgres", database="postgres",
        password=secret(world.stores.data_dir, "postgres_superuser"),
    )  # fmt: skip
    await root.execute(statement.format(database=database))
    await root.close()


async def ask_all(world: World, ann: str, ben: str, group: str) -> list[str]:
    """One reading and one writing request to each service."""
    number = f"+49151{secrets.randbelow(10**8):08d}"
    answers = [
        await world.chat.as_(ann).raw("GET", f"/chats/{group}"),
        await world.chat.as_(ann).raw("PUT", f"/chats/{group}/settings", {"archived": True}),
        await world.user.as_(ann).raw("GET", f"/users/{ben}"),
        await world.user.as_(ann).raw("PATCH", "/users/me", {"name": "x"}),
        await world.auth.as_(ann).raw("GET", "/auth/sessions"),
        await world.auth.as_("").raw("POST", "/auth/refresh", {"refreshToken": number}),
    ]
    return [str(a.status_code) if a.is_success else a.json()["code"] for a in answers]


GOOD = ["200", "200", "200", "200", "200", "unauthenticated"]


async def test_connections_that_were_cut_are_made_anew(world: World) -> None:
    await world.start("auth")
    ann, ben = [await world.person() for _ in range(2)]
    group = await world.group(ann, ben)
    for _ in range(3):
        assert await ask_all(world, ann, ben, group) == GOOD
        for name in ("chat", "user", "auth"):
            await world.sever(name)
        await asyncio.sleep(0.05)
    assert await ask_all(world, ann, ben, group) == GOOD


@pytest.mark.timeout(90)
async def test_a_database_that_takes_nobody_is_unavailable_and_then_served_again(world: World) -> None:
    await world.start("auth")
    ann, ben = [await world.person() for _ in range(2)]
    group = await world.group(ann, ben)
    for name in ("chat", "user", "auth"):
        await as_root(world, name, 'ALTER DATABASE "{database}" CONNECTION LIMIT 0')
        await world.sever(name)
    assert await ask_all(world, ann, ben, group) == ["unavailable"] * 6
    for name in ("chat", "user", "auth"):
        await as_root(world, name, 'ALTER DATABASE "{database}" CONNECTION LIMIT -1')
    assert await ask_all(world, ann, ben, group) == GOOD


@pytest.mark.timeout(90)
async def test_a_statement_that_waits_too_long_is_unavailable(world: World) -> None:
    ann, ben = [await world.person() for _ in range(2)]
    group = await world.group(ann, ben)
    async with world.database("chat") as db:
        async with db.transaction():
            await db.execute("LOCK TABLE participants IN ACCESS EXCLUSIVE MODE")
            asking = [world.chat.as_(ann).code("GET", f"/chats/{group}") for _ in range(40)]
            assert set(await asyncio.gather(*asking)) == {"unavailable"}
        assert await world.chat.as_(ann).code("GET", f"/chats/{group}") == "200"
