"""`tidings up`: start everything and keep it running."""

import asyncio
import shlex
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tidings.cli.options import DEFAULT_DATA_DIR, DataDir, fail, write_command
from tidings.devstack.binaries import BinaryMissingError
from tidings.devstack.logfiles import last_lines, log_path
from tidings.devstack.plan import Plan, PlanError, Request
from tidings.devstack.ports import PortTakenError, is_ours
from tidings.devstack.state import AlreadyRunningError, SystemState, is_owned, load_state
from tidings.devstack.stores.postgres import PostgresUnavailableError
from tidings.devstack.system import run_system
from tidings.platform.settings import SettingsError

ALL_UP = "Tidings is up"
DETACH_TIMEOUT_S = 180.0
DETACH_POLL_S = 0.1
EXPECTED = (AlreadyRunningError, PlanError, SettingsError, BinaryMissingError, PostgresUnavailableError)


def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port clients connect to.")] = 30080,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    listen: Annotated[
        str, typer.Option(help="The address clients connect to; all else stays on loopback.")
    ] = "127.0.0.1",
    scale: Annotated[str, typer.Option(help="Several instances of a service, as in websocket=2,message=2.")] = "",
    only: Annotated[str, typer.Option(help="`stores`: start the five stores alone.")] = "",
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once all is ready, and go on behind; 1 if it is not.")
    ] = False,
    print_env: Annotated[
        bool, typer.Option("--print-env", help="Print the environment that reaches the stores, as `export` lines.")
    ] = False,
    insecure_dev: Annotated[
        bool, typer.Option("--insecure-dev", help="Allow --listen beyond this machine although codes are only shown.")
    ] = False,
) -> None:
    """Start the stores, the eight services and Envoy, and keep them running until Ctrl-C or `tidings down`."""
    if only not in ("", "stores"):
        fail(f"--only {only}: only `stores` can be started alone.", 2)
    if not is_ours(listen):
        fail(f"--listen {listen}: is no address of this machine.", 2)
    request = Request(
        data_dir=data_dir.absolute(),
        port=port,
        listen=listen,
        scale=_parse_scale(scale),
        only_stores=only == "stores",
        insecure_dev=insecure_dev,
    )
    if detach:
        _detach(request, scale, print_env)
        return

    def announce(plan: Plan, ready: bool, took_s: float) -> None:
        print(f"\n{_summary(plan.url, request, ready, took_s)}\n", flush=True)
        if print_env:
            _print_env(load_state(request.data_dir))

    try:
        asyncio.run(run_system(request, _report, announce))
    except PortTakenError as taken:
        another = write_command(f"up --port {port + 1}", data_dir=request.data_dir)
        fail(f"{taken} Choose another with --port, for example: {another}")
    except EXPECTED as problem:
        fail(problem)


def _report(name: str, what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {name:<14} {what}", flush=True)


def _summary(url: str, request: Request, ready: bool, took_s: float) -> str:
    write = partial(write_command, data_dir=request.data_dir)
    part = f"Tidings runs, but not everything in it does (see above, and `{write('status')}`)"
    head = ALL_UP if ready else part
    lines = [f"  {head} after {took_s:.1f} s.", ""]
    if not request.only_stores:
        lines += [f"  Address   {url}"]
    lines += [f"  Data      {request.data_dir}   (logs in {request.data_dir / 'logs'})"]
    if not request.only_stores:
        lines += [f"  Sign in   in a browser or with: {write('chat')}"]
        lines += [f"  The code  of any number:        {write('code PHONE')}"]
        lines += [f"  Try       people who talk:      {write('demo')}"]
    lines += [
        f"  Look      {write('status')} · {write('logs -f')}",
        f"  Stop      Ctrl-C, or {write('down')}",
    ]
    return "\n".join(lines)


def _print_env(state: SystemState | None) -> None:
    for name, value in sorted((state.environ if state else {}).items()):
        print(f"export {name}={shlex.quote(value)}", flush=True)


def _parse_scale(text: str) -> dict[str, int]:
    scale = {}
    for part in filter(None, text.split(",")):
        name, separator, count = part.partition("=")
        if not separator or not count.isdigit():
            fail(f"--scale {text}: write it as websocket=2,message=2.", 2)
        scale[name.strip()] = int(count)
    return scale


def _detach(request: Request, scale: str, print_env: bool) -> None:
    """Run the same command in a session of its own, and wait until it is ready or has ended."""
    if is_owned(request.data_dir):
        state = load_state(request.data_dir)
        fail(f"Tidings is already running on {request.data_dir}" + (f" ({state.url})." if state else "."))
    log = log_path(request.data_dir, "supervisor")
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [sys.executable, "-m", "tidings.cli.main", "up", "--port", str(request.port)]
    command += ["--data-dir", str(request.data_dir), "--listen", request.listen]
    command += ["--scale", scale] if scale else []
    command += ["--only", "stores"] if request.only_stores else []
    command += ["--insecure-dev"] if request.insecure_dev else []
    with log.open("ab") as output:
        began = output.tell()
        child = subprocess.Popen(  # noqa: S603  this same command
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    all_up = _await_announcement(child, log, began)
    if print_env:
        _print_env(load_state(request.data_dir))
    if not all_up:
        raise typer.Exit(1)


def _await_announcement(child: "subprocess.Popen[bytes]", log: Path, began: int) -> bool:
    """Wait for what it has to say, and print it. Answers whether all is up; if not, everything is printed that it said
    on the way, which holds the reasons."""
    deadline = time.monotonic() + DETACH_TIMEOUT_S
    while True:
        said = log.read_bytes()[began:].decode(errors="replace")
        if "\n  Stop      " in said:
            summary = said.index("\n  Tidings")
            all_up = said.startswith(ALL_UP, summary + 3)
            print(said[summary if all_up else 0 :].rstrip().replace("Ctrl-C, or ", "") + "\n", flush=True)
            return all_up
        if child.poll() is not None:
            fail(said.strip().removeprefix("tidings: ") or f"ended with code {child.returncode}")
        if time.monotonic() > deadline:
            fail("\n".join([f"not ready after {DETACH_TIMEOUT_S:.0f} s; the end of {log}:", *last_lines(log, 15)]))
        time.sleep(DETACH_POLL_S)
