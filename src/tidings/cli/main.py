"""The `tidings` command. A subcommand is a function in a module of its own, and one line here."""

import typer

from tidings.cli import chat, code, demo, dlq, down, keys, logs, reset, run, send, status, tail, up

app = typer.Typer(
    name="tidings",
    help="Tidings: a self-hosted messaging platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command("up")(up.up)
app.command("down")(down.down)
app.command("status")(status.status)
app.command("logs")(logs.logs)
app.command("reset")(reset.reset)
app.command("run")(run.run)
app.command("chat")(chat.chat)
app.command("send")(send.send)
app.command("tail")(tail.tail)
app.command("code")(code.code)
app.command("demo")(demo.demo)
app.add_typer(dlq.app, name="dlq")
app.add_typer(keys.app, name="keys")


if __name__ == "__main__":
    app()
