"""One description of all services."""

from typing import Any

import httpx

from tidings.gateway.services import Services


def described(schema: str, body: dict[str, Any], path: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"paths": {path: {"post": {"requestBody": reference}}}, "components": {"schemas": {schema: body}}}


async def merge(**of: dict[str, Any]) -> dict[str, Any]:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=of[request.url.host])

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        return await Services([f"{name}={name}:1" for name in of], client).openapi({"paths": {}})


async def test_schemas_that_differ_under_one_name_are_told_apart() -> None:
    user, chat = {"properties": {"phoneNumbers": {}}}, {"properties": {"since": {}}}
    merged = await merge(user=described("SyncBody", user, "/contacts"), chat=described("SyncBody", chat, "/sync"))
    for path, body in (("/contacts", user), ("/sync", chat)):
        name = merged["paths"][path]["post"]["requestBody"]["$ref"].removeprefix("#/components/schemas/")
        assert merged["components"]["schemas"][name] == body


async def test_a_schema_that_services_share_is_there_once() -> None:
    media = {"properties": {"id": {}}}
    merged = await merge(user=described("Media", media, "/a"), chat=described("Media", media, "/b"))
    assert merged["components"]["schemas"] == {"Media": media}


async def test_what_is_public_says_that_it_needs_no_token() -> None:
    merged = await merge(auth={"paths": {"/api/v1/auth/refresh": {"post": {}}, "/api/v1/auth/logout": {"post": {}}}})
    assert merged["paths"]["/api/v1/auth/refresh"]["post"]["security"] == []
    assert "security" not in merged["paths"]["/api/v1/auth/logout"]["post"]
