"""The terminal client's one screen: chats at the left, a chat at the right. It reads the store and nothing else."""

import asyncio
import contextlib
import time
from typing import Any, ClassVar, Final

from rich.text import Text
from textual import events, on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.css.query import NoMatches
from textual.widgets import OptionList, Static, TextArea
from textual.widgets.option_list import Option, OptionDoesNotExist

from tidings.cli.chat import actions, draw
from tidings.cli.chat.dialogs import HELP, Find, Show, SignIn
from tidings.cli.servers import Server
from tidings.client import ApiError, Changed, ChatRow, Client, Connected, Message, Missed, SignedOut, Told

PAGE: Final = 60
TYPING_S: Final = 6.0
NARROW: Final = 80  # columns below which one pane is shown at a time
REPAINT_S: Final = 0.03  # changes of a burst are painted together


class Composer(TextArea):
    """Where one writes: Enter sends, Alt+Enter breaks the line."""

    async def _on_key(self, event: events.Key) -> None:
        app = self.app
        if isinstance(app, ChatApp):
            if event.key == "enter":
                event.prevent_default().stop()
                await app.send_text()
                return
            if event.key in ("alt+enter", "shift+enter", "ctrl+j"):
                event.prevent_default().stop()
                self.insert("\n")
                return
            if event.key == "up" and not self.text:
                event.prevent_default().stop()
                app.query_one("#thread").focus()
                return
        await super()._on_key(event)


class ChatApp(App[None]):
    """Owner of what is shown: the open chat, drafts, who types, who is there."""

    CSS_PATH = "chat.tcss"
    TITLE = "Tidings"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+k", "find", "Find", priority=True),
        Binding("ctrl+n", "new_chat", "New chat", priority=True),
        Binding("ctrl+g", "new_group", "New group", priority=True),
        Binding("f1", "help", "Keys"),
        Binding("escape", "back", "Back"),
        Binding("ctrl+q", "quit", "Quit", priority=True),
    ]

    def __init__(self, client: Client, phone: str = "", server: Server | None = None) -> None:
        super().__init__()
        self.client = client
        self._server = server or Server(client.api.base_url)
        self._phone = phone
        self.row: ChatRow | None = None  # the open chat
        self.rows: list[ChatRow] = []
        self.messages: list[Message] = []
        self.replying: Message | None = None
        self.editing: Message | None = None
        self._drafts: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._asked: set[str] = set()
        self._typing: dict[str, dict[str, float]] = {}  # chat -> person -> until
        self._there: dict[str, tuple[bool, str | None]] = {}  # person -> online, last seen
        self._limit = PAGE
        self._unread_from: int | None = None
        self._reason = ""
        self._dirty = asyncio.Event()

    def compose(self) -> ComposeResult:
        with Horizontal(id="main"):
            yield OptionList(id="chats", markup=False)
            with Vertical(id="right"):
                yield Static(id="title")
                yield OptionList(id="thread", markup=False)
                yield Static(id="context")
                composer = Composer(id="text", show_line_numbers=False, soft_wrap=True, compact=False)
                composer.disabled = True
                yield composer
        yield Static(id="status")

    async def on_mount(self) -> None:
        await self.client.__aenter__()
        self.set_interval(1.0, self._tick)
        self._live()
        self._painter()
        self.query_one("#chats").focus()
        if not self.client.user_id:
            self.push_screen(SignIn(self.client, self._phone, self._server))
        self.repaint()

    async def on_unmount(self) -> None:
        await self.client.close()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < NARROW, "narrow")
        self.repaint()

    # -- what happens ------------------------------------------------------------------------------------

    @work
    async def _live(self) -> None:
        async for event in self.client.events():
            match event:
                case Changed() | Missed():
                    self.repaint()
                case Connected(online=online, settled=settled, reason=reason):
                    self._reason = "" if online else reason or self._reason
                    if settled:
                        await self._watch()
                    if not online:
                        self._there.clear()
                    self.repaint()
                case Told(frame=frame):
                    self._told(frame)
                case SignedOut():
                    self.notify("This session was ended. Sign in again.", severity="warning")
                    self.push_screen(SignIn(self.client, "", self._server))

    def _told(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "typing.start":
                self._typing.setdefault(frame["chatId"], {})[frame["userId"]] = time.monotonic() + TYPING_S
            case "typing.stop":
                self._typing.get(frame["chatId"], {}).pop(frame["userId"], None)
            case "presence.updated":
                self._there[frame["userId"]] = (frame["status"] == "online", frame["lastSeen"])
            case "error":
                self.notify(str(frame["message"]), severity="error", markup=False)
        self.repaint()

    async def _watch(self) -> None:
        peers = [row.chat.peer.id for row in await self.client.chats() if row.chat.peer is not None]
        await self.client.watch(peers[:256])

    def _tick(self) -> None:
        now, changed = time.monotonic(), False
        for people in self._typing.values():
            for person in [person for person, until in people.items() if until < now]:
                del people[person]
                changed = True
        if changed:
            self.repaint()

    # -- painting ------------------------------------------------------------------------------------------

    def repaint(self) -> None:
        """Paint soon what the store holds."""
        self._dirty.set()

    @work
    async def _painter(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._paint()
            except NoMatches:
                if self.is_running:
                    raise
                return  # the screen is being taken down
            await asyncio.sleep(REPAINT_S)

    async def _paint(self) -> None:
        self.rows = await self.client.chats() if self.client.user_id else []
        pending = await self.client.pending()
        chats = self.query_one("#chats", OptionList)
        shown = [row for row in self.rows if not row.chat.settings.archived]
        chosen = self.row.id if self.row else None
        options = [Option(self._chat_option(row), id=row.id) for row in shown]
        index = next((i for i, row in enumerate(shown) if row.id == chosen), chats.highlighted)
        with self.prevent(OptionList.OptionHighlighted):
            chats.set_options(options)
            chats.highlighted = min(index or 0, len(options) - 1) if options else None
        if self.row is not None:
            self.row = next((row for row in self.rows if row.id == chosen), None)
            await self._paint_thread()
        self._paint_title()
        unread = sum(row.unread for row in shown if row.chat.settings.muted_until is None)
        self._paint_status(pending)
        self.console.set_window_title(f"({unread}) Tidings" if unread else "Tidings")

    def _chat_option(self, row: ChatRow) -> Any:
        draft = self._drafts.get(row.id, "") if self.row is None or self.row.id != row.id else ""
        online = row.chat.peer is not None and self._there.get(row.chat.peer.id, (False, None))[0]
        return draw.chat_row(row, self.name_person, self.client.user_id, self._typers(row), online, draft)

    def _typers(self, row: ChatRow) -> str:
        people = list(self._typing.get(row.id, {}))
        if not people:
            return ""
        if row.chat.type == "direct":
            return "typing …"
        return f"{', '.join(self.name_person(person) for person in people[:2])} typing …"

    def _paint_title(self) -> None:
        title = self.query_one("#title", Static)
        self.query_one("#text").disabled = self.row is None or self.row.chat.membership != "member"
        if self.row is None:
            title.update(Text("Choose a chat, or Ctrl+N for a new one", style="dim"))
            return
        text = Text(draw.clean(self.row.title), style="bold")
        text.append("\n")
        typing = self._typers(self.row)
        text.append(typing or self._about(self.row), style=f"not bold {draw.ACCENT}" if typing else "not bold dim")
        title.update(text)

    def _about(self, row: ChatRow) -> str:
        if row.chat.membership != "member":
            return "You are no longer a member of this group"
        if row.chat.type == "group":
            return f"{row.chat.member_count} members"
        if row.notes:
            return "Notes only you see"
        if row.chat.peer is None:
            return ""
        online, seen = self._there.get(row.chat.peer.id, (False, None))
        return "online" if online else f"last seen {draw.day(seen)} {draw.clock(seen)}" if seen else ""

    def _paint_status(self, pending: int) -> None:
        if not self.client.user_id:
            text = Text("not signed in")
        elif self.client.settled:
            text = Text("● connected", style=draw.ACCENT)
        elif self.client.online:
            text = Text("◌ catching up …", style="#e0a04a")
        else:
            text = Text(f"○ offline, trying again{': ' + self._reason if self._reason else ''}", style="#e0a04a")
        if pending:
            text.append(f"   {pending} waiting to be sent", style="not bold")
        text.append("    F1 keys   Ctrl+K find   Ctrl+N new chat   Ctrl+G group   Ctrl+Q quit", style="dim")
        self.query_one("#status", Static).update(text)

    async def _paint_thread(self) -> None:
        if self.row is None:
            return
        thread = self.query_one("#thread", OptionList)
        at_end = thread.scroll_offset.y >= thread.max_scroll_y - 1 and not thread.has_focus
        kept = self.chosen_key()
        self.messages = await self.client.messages(self.row.id, limit=self._limit)
        with self.prevent(OptionList.OptionHighlighted):
            thread.set_options(self._thread_options(thread.size.width - 3))
            if kept is not None:
                with contextlib.suppress(OptionDoesNotExist):
                    thread.highlighted = thread.get_option_index(kept)
        if at_end:
            thread.scroll_end(animate=False)
        last = next((row.seq for row in reversed(self.messages) if row.seq), None)
        if last is not None and self.app_focus:
            await self.client.read(self.row.id, last)

    def _thread_options(self, width: int) -> list[Option]:
        options: list[Option] = []
        before: Message | None = None
        for message in self.messages:
            if before is None or draw.day(before.created_at) != draw.day(message.created_at):
                options.append(_rule(draw.day(message.created_at)))
                before = None
            if self._unread_from is not None and message.seq == self._unread_from:
                options.append(_rule("unread", draw.ACCENT))
            first = before is None or before.sender_id != message.sender_id or before.kind != message.kind
            if first and before is not None:
                options.append(Option(Text(""), disabled=True))
            assert self.row is not None  # noqa: S101
            shown = draw.bubble(message, self.row, self.name_person, self.client.user_id, first=first, width=width)
            options.append(Option(shown, id=key_of(message)))
            before = message
        return options

    def name_person(self, user_id: str | None) -> str:
        """What a person is called; asked for once when it is not known here."""
        if user_id == self.client.user_id:
            return "You"
        if user_id is None:
            return "Someone"
        if user_id not in self._names and user_id not in self._asked:
            self._asked.add(user_id)
            self._find_name(user_id)
        return self._names.get(user_id, "…")

    @work
    async def _find_name(self, user_id: str) -> None:
        person = await self.client.person(user_id)
        if person is None:
            try:
                person = await self.client.load_person(user_id)
            except ApiError:
                self._asked.discard(user_id)  # again at the next paint that needs it
                return
        self._names[user_id] = draw.name_of(person)
        self.repaint()

    # -- moving about ---------------------------------------------------------------------------------------

    @on(OptionList.OptionSelected, "#chats")
    async def _chosen(self, chosen: OptionList.OptionSelected) -> None:
        if chosen.option_id is not None:
            await self.open_chat(chosen.option_id)

    async def open_chat(self, chat_id: str, message_id: str | None = None) -> None:
        """Show a chat from its end, or at a message."""
        text = self.query_one("#text", Composer)
        if self.row is not None:
            self._drafts[self.row.id] = text.text if self.editing is None else ""
        self.row = await self.client.chat(chat_id)
        if self.row is None:
            return
        self.replying = self.editing = None
        self.show_context()
        self._limit = PAGE
        self._unread_from = await self._first_unread()
        text.disabled = False
        text.text = self._drafts.pop(chat_id, "")
        text.move_cursor(text.document.end)
        self.add_class("open")
        thread = self.query_one("#thread", OptionList)
        thread.clear_options()
        await self._paint()
        if message_id is None:
            self.call_after_refresh(thread.scroll_end, animate=False)
            text.focus()
        else:
            await self._show_message(message_id)

    async def _first_unread(self) -> int | None:
        if self.row is None or not self.row.unread:
            return None
        rows = await self.client.messages(self.row.id, limit=max(PAGE, self.row.unread + 20))
        return next(
            (m.seq for m in rows if m.seq and m.seq > self.row.read_seq and m.sender_id != self.client.user_id), None
        )

    async def _show_message(self, message_id: str) -> None:
        assert self.row is not None  # noqa: S101
        thread = self.query_one("#thread", OptionList)
        while all(key_of(message) != message_id for message in self.messages) and len(self.messages) >= self._limit:
            self._limit += 500
            await self._paint_thread()
        with contextlib.suppress(OptionDoesNotExist):
            thread.highlighted = thread.get_option_index(message_id)
            thread.focus()

    @on(OptionList.OptionHighlighted, "#thread")
    async def _reached(self, reached: OptionList.OptionHighlighted) -> None:
        """At the top: show older messages."""
        if reached.option_index <= 2 and len(self.messages) >= self._limit:
            self._limit += PAGE
            self.repaint()

    def on_app_focus(self) -> None:
        self.repaint()

    async def action_back(self) -> None:
        text = self.query_one("#text", Composer)
        if self.editing is not None or self.replying is not None:
            if self.editing is not None:
                text.text = ""
            self.replying = self.editing = None
            self.show_context()
        elif self.row is not None and not text.has_focus:
            text.focus()
        elif self.has_class("narrow"):
            self.remove_class("open")
            self.query_one("#chats").focus()
        else:
            self.query_one("#chats").focus()

    @work
    async def action_find(self) -> None:
        found = await self.push_screen_wait(Find(self._look))
        if found is None:
            return
        kind, _, key = found.partition(":")
        if kind == "chat":
            await self.open_chat(key)
        elif (message := await self.client.message(key)) is not None:
            await self.open_chat(message.chat_id, key)

    async def _look(self, words: str) -> list[tuple[str, Text]]:
        wanted = words.casefold().strip()
        found = [
            (f"chat:{row.id}", Text(draw.clean(row.title), style="bold"))
            for row in self.rows
            if wanted in row.title.casefold()
        ][:8]
        for message in await self.client.find(wanted, limit=20) if wanted else []:
            line = Text(f"{self.name_person(message.sender_id)}: ", style="dim")
            line.append(draw.clean(draw.summary(message)), style="not dim")
            found.append((f"message:{message.message_id}", line))
        return found

    @work
    async def action_new_chat(self) -> None:
        await actions.new_chat(self)

    @work
    async def action_new_group(self) -> None:
        await actions.new_group(self)

    def action_help(self) -> None:
        self.push_screen(Show("Keys", HELP))

    # -- writing -----------------------------------------------------------------------------------------------

    @on(TextArea.Changed, "#text")
    async def _typed(self, changed: TextArea.Changed) -> None:
        if self.row is not None and changed.text_area.text and changed.text_area.has_focus and self.editing is None:
            await self.client.typing(self.row.id)

    async def send_text(self) -> None:
        """What is written: a new message, or the new text of one."""
        text = self.query_one("#text", Composer)
        said = text.text.strip()
        if not said or self.row is None:
            return
        if len(said) > 8192:
            self.notify(f"{len(said)} characters are too many: at most 8,192", severity="warning")
            return
        text.text = ""
        editing, replying, self.editing, self.replying = self.editing, self.replying, None, None
        self.show_context()
        self._unread_from = None
        if editing is not None:
            await self.client.edit(editing, said)
        else:
            await self.client.send(self.row.id, said, reply_to=replying.message_id if replying else None)
        self.query_one("#thread", OptionList).scroll_end(animate=False)

    def show_context(self) -> None:
        """The line above the text: what is answered or edited."""
        context = self.query_one("#context", Static)
        shown = self.editing or self.replying
        context.set_class(shown is not None, "shown")
        if shown is not None:
            what = "Edit" if self.editing else f"Reply to {self.name_person(shown.sender_id)}"
            context.update(
                Text(f"{what}: {draw.clean(draw.summary(shown))}   Esc cancels", no_wrap=True, overflow="ellipsis")
            )

    # -- on a message -----------------------------------------------------------------------------------------

    def chosen_key(self) -> str | None:
        """The id of the message the cursor is on."""
        thread = self.query_one("#thread", OptionList)
        if thread.highlighted is None or thread.highlighted >= thread.option_count:
            return None
        return thread.get_option_at_index(thread.highlighted).id

    def chosen(self) -> Message | None:
        """The message the cursor is on."""
        key = self.chosen_key()
        return next((message for message in self.messages if key_of(message) == key), None)

    async def on_key(self, event: events.Key) -> None:
        thread = self.query_one("#thread", OptionList)
        if self.screen is not self.screen_stack[0] or not thread.has_focus:
            return
        message = self.chosen()
        if event.key == "down" and thread.highlighted == thread.option_count - 1:
            event.stop()
            self.query_one("#text").focus()
        elif message is not None and message.kind == "message" and (done := actions.for_key(event.key)) is not None:
            event.stop()
            self._act(done, message, event.character or "")

    @work
    async def _act(self, action: actions.Action, message: Message, character: str) -> None:
        try:
            await action(self, message, character)
        except ApiError as problem:
            self.notify(problem.detail, severity="error", markup=False)
        self.repaint()


def key_of(message: Message) -> str:
    """What a message is called in the list; the same before and after it is stored."""
    return message.client_msg_id or message.message_id or ""


def _rule(text: str, colour: str = "#7d8a90") -> Option:
    return Option(Text(f"── {text} ──", style=colour, justify="center"), disabled=True)
