"""A bot that answers every message with its own text: python examples/echo_bot.py +4915112345678

Stop it and start it again: what was said meanwhile is answered then, and nothing is answered before it was stored here.
"""

import asyncio
import sys
from pathlib import Path

from tidings.client import Client


async def main(phone: str, url: str = "http://localhost:30080", folder: str = "echo-bot") -> None:
    async with Client(url, Path(folder)) as bot:
        if not bot.user_id:
            await bot.request_code(phone)
            await bot.sign_in(phone, input(f"The code sent to {phone}: "), "echo bot")
        print("Listening. Write to me as", phone, flush=True)
        async for message in bot.incoming():
            await bot.send(message.chat_id, f"You said: {message.text}", reply_to=message.message_id)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
