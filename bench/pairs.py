"""Load a: pairs of people, some messages in flight each, sender to receiver through Envoy with delivered acks.

    python -m bench.pairs [--pairs 50] [--in-flight 8] [--seconds 20] [--no-acks] [--url URL] [--json FILE]

Without --url it starts a system of its own and stops it at the end. Prints rate, percentiles, loss, duplicates,
disorder, and CPU and memory of each process.
"""

import argparse
import asyncio
import json
import platform
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from tests.support.running import running_system

from tidings.devstack.state import load_state


class Client(WSListener):
    """One person's socket."""

    def __init__(self, frame: "Any") -> None:
        self.on_text = frame
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.on_text(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def say(self, text: str) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, text.encode())


class Pair:
    """A sender with a window of messages in flight, and a receiver that acknowledges."""

    def __init__(self, number: int, in_flight: int, acks: bool, run: "Run") -> None:
        self.number, self.in_flight, self.acks, self.run = number, in_flight, acks, run
        self.chat = ""
        self.sent_at: dict[str, float] = {}
        self.sent = 0
        self.answered = 0
        self.received: deque[int] = deque()
        self.last_seq = 0
        self.a = Client(self.on_a)
        self.b = Client(self.on_b)
        self.ready = 0
        self.unacked = 0

    def send(self) -> None:
        name = f"{self.run.name}-{self.number}-{self.sent}"
        self.sent += 1
        self.sent_at[name] = time.perf_counter()
        text = "x" * 100
        self.a.say(
            f'{{"type":"message.send","chatId":"{self.chat}","clientMsgId":"{name}",'
            f'"content":{{"kind":"text","text":"{text}"}}}}'
        )

    def on_a(self, raw: bytes) -> None:
        if raw.startswith(b'{"type":"message.sent"'):
            self.answered += 1
            if self.run.sending:
                self.send()
        elif raw.startswith(b'{"type":"error"'):
            self.run.errors.append(raw[:200].decode())
            if self.run.sending:
                self.send()
        elif raw.startswith(b'{"type":"ready"'):
            self.ready += 1
        elif raw.startswith(b'{"type":"message.status'):
            self.run.statuses += 1

    def on_b(self, raw: bytes) -> None:
        if raw.startswith(b'{"type":"ready"'):
            self.ready += 1
            return
        if not raw.startswith(b'{"type":"message.new"'):
            return
        frame = json.loads(raw)
        if frame["kind"] != "message":
            return
        began = self.sent_at.pop(frame["clientMsgId"], None)
        if began is None:
            self.run.doubled += 1
            return
        now = time.perf_counter()
        if self.run.measuring:
            self.run.latencies.append(now - began)
        self.run.received += 1
        if frame["seq"] <= self.last_seq:
            self.run.disordered += 1
        self.last_seq = frame["seq"]
        if self.acks:
            self.b.say(f'{{"type":"message.delivered","chatId":"{self.chat}","seq":{frame["seq"]}}}')


class Run:
    """What all pairs count into."""

    def __init__(self) -> None:
        self.name = f"{time.time():.0f}"
        self.sending = self.measuring = False
        self.latencies: list[float] = []
        self.errors: list[str] = []
        self.received = self.doubled = self.disordered = self.statuses = 0


async def sign_in(client: httpx.AsyncClient, phone: str) -> tuple[str, str]:
    (await client.post("/auth/request-otp", json={"phone": phone})).raise_for_status()
    code = (await client.get("/dev/sms", params={"phone": phone})).json()["code"]
    answer = (await client.post("/auth/verify-otp", json={"phone": phone, "otp": code})).json()
    return answer["user"]["id"], answer["accessToken"]


async def measure(url: str, data_dir: Path | None, args: argparse.Namespace) -> dict[str, Any]:
    run = Run()
    pairs = [Pair(number, args.in_flight, not args.no_acks, run) for number in range(args.pairs)]
    base = int(time.time()) % 1_000_000 * 1000
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=20) as client:

        async def prepare(pair: Pair) -> None:
            _, token_a = await sign_in(client, f"+4917{base + pair.number * 2:09d}")
            id_b, token_b = await sign_in(client, f"+4917{base + pair.number * 2 + 1:09d}")
            headers = {"Authorization": f"Bearer {token_a}"}
            made = await client.post("/chats", json={"type": "direct", "userId": id_b}, headers=headers)
            pair.chat = made.json()["id"]
            for listener, token in ((pair.a, token_a), (pair.b, token_b)):
                await ws_connect(
                    lambda listener=listener: listener,
                    url.replace("http", "ws", 1) + "/ws",
                    extra_headers={"Authorization": f"Bearer {token}"},
                )

        print(f"signing in {args.pairs * 2} people ...", file=sys.stderr)
        for start in range(0, len(pairs), 5):
            await asyncio.gather(*(prepare(pair) for pair in pairs[start : start + 5]))
    for _ in range(200):
        if all(pair.ready == 2 for pair in pairs):
            break
        await asyncio.sleep(0.05)
    run.sending = True
    for pair in pairs:
        for _ in range(args.in_flight):
            pair.send()
    await asyncio.sleep(args.warm_up)
    processes = _processes(data_dir)
    cpu = {name: _cpu(process) for name, process in processes.items()}
    own = _cpu(psutil.Process())
    run.measuring, run.latencies, before, began = True, [], run.received, time.perf_counter()
    for left in range(args.seconds, 0, -5):
        print(f"measuring, {left} s left ...", file=sys.stderr)
        await asyncio.sleep(min(5, left))
    took = time.perf_counter() - began
    rate = (run.received - before) / took
    run.measuring = False
    used = {name: round(100 * (_cpu(process) - cpu[name]) / took) for name, process in processes.items()}
    used["generator"] = round(100 * (_cpu(psutil.Process()) - own) / took)
    run.sending = False
    for _ in range(100):
        if not any(pair.sent_at for pair in pairs):
            break
        await asyncio.sleep(0.1)
    latencies = sorted(run.latencies)

    def at(share: float) -> float:
        return round(latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1e3, 1) if latencies else 0.0

    return {
        "load": f"{args.pairs} pairs, {args.in_flight} in flight, 100 bytes, acks {'off' if args.no_acks else 'on'}",
        "machine": f"{psutil.cpu_count()} cores, Python {platform.python_version()}, generator on the same machine",
        "messages_per_s": round(rate),
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
        "p999_ms": at(0.999),
        "received": run.received,
        "lost": sum(len(pair.sent_at) for pair in pairs),
        "doubled": run.doubled,
        "disordered": run.disordered,
        "errors": len(run.errors),
        "first_errors": run.errors[:3],
        "status_frames": run.statuses,
        "cpu_percent": used,
        "memory_mb": {name: round(p.memory_info().rss / 1e6) for name, p in processes.items()},
    }


def _processes(data_dir: Path | None) -> dict[str, psutil.Process]:
    state = load_state(data_dir) if data_dir else None
    return {p.name: psutil.Process(p.pid) for p in state.processes if p.pid} if state else {}


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--no-acks", action="store_true", help="receivers do not say `message.delivered`")
    parser.add_argument("--url", default="", help="a running system; without it one is started")
    parser.add_argument("--data-dir", type=Path, help="of the running system, for CPU and memory per process")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    if args.url:
        found = uvloop.run(measure(args.url, args.data_dir, args))
    else:
        print("starting a system ...", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder, running_system(Path(folder)) as system:
            system.wait_ready()
            found = uvloop.run(measure(system.base_url, system.data_dir, args))
    for name, value in found.items():
        print(f"{name:<16} {value}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
