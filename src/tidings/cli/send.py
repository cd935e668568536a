"""`tidings send`: one message, for scripts."""

import asyncio
import mimetypes
import sys
from pathlib import Path
from typing import Annotated

import typer

from tidings.cli import profiles, servers
from tidings.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from tidings.client import ApiError, Client
from tidings.contracts import ids


def send(
    context: typer.Context,
    to: Annotated[str, typer.Argument(help="A phone number (+49...), a chat's id, or `me` for notes to oneself.")],
    text: Annotated[str, typer.Argument(help="What to say; `-` reads it from standard input.")] = "",
    file: Annotated[Path | None, typer.Option("--file", help="A picture or document; TEXT is its caption.")] = None,
    message_id: Annotated[
        str, typer.Option("--id", help="An id of your own: the same one is stored once, however often it is sent.")
    ] = "",
    profile: profiles.Profile = "default",
    url: servers.Url = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Send a message and print its id. Ends with 0 only when the server has stored it."""
    said = sys.stdin.read() if text == "-" else text
    if not said.strip() and file is None:
        fail("there is nothing to send: give a TEXT or --file")
    if file is not None and not file.is_file():
        fail(f"{file} is not a file")
    server = profiles.find_server_of(profile, servers.read_asked(context, url, data_dir))
    try:
        print(asyncio.run(_send(to, said, file, message_id or ids.new_id(), server)))
    except ApiError as problem:
        servers.refuse(problem, server)


async def _send(to: str, text: str, file: Path | None, client_msg_id: str, server: servers.Server) -> str:
    client = profiles.open_client(server, own_store=False)
    try:
        profiles.require_sign_in(client, server)
        chat_id = await _chat(client, to)
        content = {"kind": "text", "text": text} if file is None else await upload(client, file, text)
        body = {"clientMsgId": client_msg_id, "content": content}
        answer = await client.api.post(f"/chats/{chat_id}/messages", body, retry=True)
        return str(answer["messageId"])
    finally:
        await client.close()


async def _chat(client: Client, to: str) -> str:
    if ids.is_id(to):
        return to
    user_id = client.user_id
    if to != "me":
        found = await client.api.post("/users/contacts/sync", {"phoneNumbers": [to]}, retry=True)
        if not found["items"]:
            raise ApiError("not_found", f"Nobody with the number {to} is here")
        user_id = found["items"][0]["user"]["id"]
    chat = await client.api.post("/chats", {"type": "direct", "userId": user_id}, retry=True)
    return str(chat["id"])


async def upload(client: Client, file: Path, caption: str) -> dict[str, object]:
    """Store a file. Answers the content that shows it."""
    mime_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    media = await client.upload(file, mime_type)
    content: dict[str, object] = {"mediaId": media["id"]}
    if caption:
        content["caption"] = caption
    if media["kind"] == "image":
        size = {"width": media["width"], "height": media["height"]}
        blur = {"blurhash": media["blurhash"]} if media.get("blurhash") else {}
        return {"kind": "image", **content, **size, **blur}
    return {"kind": "document", **content, "fileName": media["fileName"] or file.name, "size": media["size"]}
