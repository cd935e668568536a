"""The small screens over the chat: sign-in, questions, lists to choose from, pictures, help."""

import asyncio
import io
from typing import Any, ClassVar, Final

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Center, Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option
from textual_image.widget import Image as PictureWidget

from tidings.cli import profiles
from tidings.cli.servers import Server
from tidings.client import ApiError, Client

HELP: Final = """\
[b]Everywhere[/b]
  Ctrl+K  find a chat or a message      Ctrl+N  new chat by phone number
  Ctrl+G  new group                     Ctrl+Q  quit
  Tab     chats → messages → text       Esc     back to the text

[b]Writing[/b]
  Enter sends, Alt+Enter begins a new line. What you write offline is sent later.
  Up (in an empty text) chooses a message.

[b]On a message[/b]
  r reply      e edit           d delete      + react     i who has read it
  o open       s save the file  * star        f forward   1-9 vote in a poll
  Enter        send again what was refused

[b]Ticks[/b]   ○ waiting   ✓ stored   ✓✓ delivered   [#53bdeb]✓✓[/] read   [b]![/b] refused
"""


class SignIn(Screen[None]):
    """Phone number, then code."""

    def __init__(self, client: Client, phone: str, server: Server) -> None:
        super().__init__()
        self._client, self._phone, self._server = client, phone, server

    def compose(self) -> ComposeResult:
        with Center(), Vertical(id="signin"):
            yield Static("[b]Tidings[/b]\n[dim]Sign in with your phone number[/dim]", id="brand")
            yield Input(self._phone, placeholder="+49 151 1234567", id="phone")
            yield Input(placeholder="6-digit code", id="code", max_length=6, disabled=True)
            yield Label("", id="trouble", markup=False)
            yield Label(Text(self._server.url, style="dim"))

    def on_mount(self) -> None:
        self.query_one("#phone", Input).focus()
        if self._phone:
            self._ask()

    @on(Input.Submitted, "#phone")
    def _asked(self) -> None:
        self._ask()

    @work(exclusive=True)
    async def _ask(self) -> None:
        phone, code = self.query_one("#phone", Input), self.query_one("#code", Input)
        self._say("Asking for a code …")
        try:
            answer = await self._client.request_code(phone.value)
        except ApiError as problem:
            self._say(problem.detail)
            return
        where = f"on its way to {phone.value}"
        if answer.get("delivery") == "shown":
            where = f"shown on the machine of the server: {self._server.write_code_command(_plain(phone.value))}"
        self._say(f"The code is {where}")
        code.disabled = False
        code.focus()

    @on(Input.Submitted, "#code")
    @work(exclusive=True)
    async def _enter(self) -> None:
        phone, code = self.query_one("#phone", Input), self.query_one("#code", Input)
        if self._server.profile:
            profiles.remember_server(self._server)
        try:
            await self._client.sign_in(phone.value, code.value.strip(), "terminal")
        except ApiError as problem:
            code.value = ""
            self._say(problem.detail)
            return
        self.dismiss(None)

    def _say(self, text: str) -> None:
        self.query_one("#trouble", Label).update(text)


def _plain(phone: str) -> str:
    """A number as a word of a command: people write it with spaces and dashes."""
    return "".join(mark for mark in phone if mark in "+0123456789")


class Ask(ModalScreen[str | None]):
    """One line of text, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Cancel")]

    def __init__(self, title: str, placeholder: str = "", value: str = "") -> None:
        super().__init__()
        self._title, self._placeholder, self._value = title, placeholder, value

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._title, classes="title", markup=False)
            yield Input(self._value, placeholder=self._placeholder)

    def on_input_submitted(self, submitted: Input.Submitted) -> None:
        self.dismiss(submitted.value.strip() or None)


class Choose(ModalScreen[str | None]):
    """One of several, as (id, what is shown)."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Cancel")]

    def __init__(self, title: str, options: list[tuple[str, Any]]) -> None:
        super().__init__()
        self._title, self._options = title, options

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._title, classes="title", markup=False)
            yield OptionList(*(Option(shown, id=key) for key, shown in self._options), markup=False)

    def on_option_list_option_selected(self, chosen: OptionList.OptionSelected) -> None:
        self.dismiss(chosen.option_id)


class Find(ModalScreen[str | None]):
    """Chats by title and messages by their words, while typing. Answers `chat:ID` or `message:ID`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "dismiss(None)", "Cancel"), ("down", "into", "List")
    ]  # fmt: skip

    def __init__(self, look: Any) -> None:
        super().__init__()
        self._look = look

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label("Find", classes="title")
            yield Input(placeholder="a chat, a person, words of a message")
            yield OptionList(markup=False)

    def on_mount(self) -> None:
        self._refresh("")

    def on_input_changed(self, changed: Input.Changed) -> None:
        self._refresh(changed.value)

    def on_input_submitted(self) -> None:
        found = self.query_one(OptionList)
        if found.option_count:
            self.dismiss(found.get_option_at_index(found.highlighted or 0).id)

    def action_into(self) -> None:
        self.query_one(OptionList).focus()

    @work(exclusive=True)
    async def _refresh(self, words: str) -> None:
        await asyncio.sleep(0.05)  # not at each key of a fast typist
        options = await self._look(words)
        shown = self.query_one(OptionList)
        shown.set_options([Option(text, id=key) for key, text in options])
        shown.highlighted = 0 if options else None

    def on_option_list_option_selected(self, chosen: OptionList.OptionSelected) -> None:
        self.dismiss(chosen.option_id)


class Confirm(ModalScreen[str | None]):
    """A question with a few answers, as (id, label)."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Cancel")]

    def __init__(self, question: str, answers: list[tuple[str, str]]) -> None:
        super().__init__()
        self._question, self._answers = question, answers

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._question, classes="title", markup=False)
            for key, label in self._answers:
                yield Button(label, id=key)

    def on_button_pressed(self, pressed: Button.Pressed) -> None:
        self.dismiss(pressed.button.id)


class Picture(ModalScreen[None]):
    """A picture, as well as this terminal can show it."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,o,enter", "dismiss(None)", "Close")]

    def __init__(self, body: bytes, caption: str) -> None:
        super().__init__()
        self._body, self._caption = body, caption

    def compose(self) -> ComposeResult:
        with Vertical(id="picture"):
            yield PictureWidget(io.BytesIO(self._body))
            yield Label(self._caption or "Esc closes", markup=False)


class Show(ModalScreen[None]):
    """Text to read."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,f1,enter", "dismiss(None)", "Close")]

    def __init__(self, title: str, text: Any) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Label(self._title, classes="title", markup=False)
            yield Static(self._text)
