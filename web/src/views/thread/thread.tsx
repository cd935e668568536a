/** One chat: its head, the window of messages that is never yanked, and what can be written. */

import { batch, signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import * as actions from "../../engine/actions";
import { setSettings } from "../../engine/chosen";
import { engine, read as markRead } from "../../engine/here";
import { chats, me, typing } from "../../engine/state";
import { list, t } from "../../i18n/i18n";
import type { ChatRow, Row } from "../../store/schema";
import { Unanswered, useAnswer } from "../answer";
import { Composer } from "../composer/composer";
import { Connection } from "../connection";
import { day, dayKey, firstName, isSelf, nameOf, tickOf } from "../format";
import { Icon, IconButton } from "../icon";
import { memo } from "../memo";
import { Empty, Spinner } from "../parts";
import { back, target } from "../route";
import { Bubble } from "./bubble";
import { Head } from "./head";
import { PinnedBar } from "./pinned";
import { type Ask, Asked, mayWrite } from "./rowmenu";
import { SelectionBar } from "./selection";
import { isUnsent, keyOf, Window } from "./window";

const NEAR_PX = 600; // how close to an edge the next slice is fetched
const BOTTOM_PX = 60;
const GROUP_MS = 5 * 60_000;

/** What is going on in the open thread, shared by its parts. */
export class ThreadState {
  readonly replyTo = signal<Row | null>(null);
  readonly editing = signal<Row | null>(null);
  readonly selected = signal<ReadonlyMap<string, Row> | null>(null);
  readonly flash = signal("");
  readonly ask = signal<Ask | null>(null);
  readonly find = signal<string | null>(null);
  jump: (seq: number, id: string) => void = () => undefined;

  select(row: Row): void {
    const next = new Map(this.selected.value ?? []);
    if (!next.delete(row.id)) next.set(row.id, row);
    this.selected.value = next.size ? next : null;
  }
}

export function Thread({ id }: { id: string }) {
  const row = chats.value.get(id);
  return row ? <Open id={id} row={row} /> : <Missing id={id} />;
}

function Open({ id, row }: { id: string; row: ChatRow }) {
  const view = useMemo(() => new Window(id, () => stick.current), [id]);
  const state = useMemo(() => new ThreadState(), [id]);
  const scroller = useRef<HTMLDivElement>(null);
  const anchor = useRef<{ key: string; top: number } | null>(null);
  const stick = useRef(true); // follows the end
  const top = useRef(0); // where the view was when it was looked at last
  const heading = useRef(false); // scrolls there, until it arrives or the person takes hold of it
  const opening = useRef<{ seq: number; place: "divider" | "center" } | null>(null);
  const away = useSignal(false);
  const divider = useSignal<Divider | null>(null);
  const missed = useSignal(0);

  /** The first bubble in sight, and where: it stays there whatever is added above or below. */
  const keep = () => {
    const box = scroller.current;
    if (!box) return;
    const top = box.getBoundingClientRect().top;
    for (const bubble of box.querySelectorAll<HTMLElement>("[data-key]")) {
      const place = bubble.getBoundingClientRect();
      if (place.bottom <= top) continue;
      anchor.current = { key: bubble.dataset.key!, top: place.top - top };
      return;
    }
  };

  /** Whether the end is followed. That the person has scrolled up is known here before the browser tells of it. */
  const follows = () => {
    const box = scroller.current!;
    const rest = box.scrollHeight - box.scrollTop - box.clientHeight;
    if (!heading.current && box.scrollTop < top.current - 1 && rest > BOTTOM_PX) stick.current = false;
    return stick.current;
  };

  const toEnd = async (smooth = true) => {
    if (!view.atEnd) {
      stick.current = true;
      anchor.current = null;
      await view.toEnd();
    }
    const box = scroller.current;
    if (!box) return;
    const calm = !smooth || matchMedia("(prefers-reduced-motion: reduce)").matches;
    stick.current = true;
    anchor.current = null;
    // What is there already does not move, and nothing would tell that it has arrived.
    heading.current = !calm && box.scrollHeight - box.scrollTop - box.clientHeight >= BOTTOM_PX;
    box.scrollTo({ top: box.scrollHeight, behavior: calm ? "instant" : "smooth" });
  };

  const seen = () => {
    const box = scroller.current;
    const now = chats.peek().get(id);
    if (!box || !now || document.visibilityState !== "visible" || !document.hasFocus()) return;
    const bottom = box.getBoundingClientRect().bottom;
    const bubbles = [...box.querySelectorAll<HTMLElement>("[data-seq]")];
    for (let i = bubbles.length - 1; i >= 0; i--) {
      if (bubbles[i]!.getBoundingClientRect().top > bottom - 8) continue;
      // At the very end also what has no bubble is read: changes of messages.
      const seq = Number(bubbles[i]!.dataset.seq);
      if (seq > now.readSeq && now.unread > 0) void markRead(id, seq);
      if (now.chat.settings.markedUnread) void setSettings(id, { markedUnread: false });
      return;
    }
  };

  state.jump = (seq, messageId) => {
    stick.current = heading.current = false;
    opening.current = { seq, place: "center" };
    anchor.current = null;
    const held = view.rows.peek()?.some((one) => one.message.seq === seq);
    if (held) place();
    else void view.around(seq).then(place);
    state.flash.value = messageId;
    setTimeout(() => {
      if (state.flash.value === messageId) state.flash.value = "";
    }, 1_800);
  };

  /** Put what was asked for into sight. */
  const place = () => {
    const box = scroller.current;
    const wanted = opening.current;
    if (!box || !wanted) return;
    const mark = wanted.place === "divider" ? box.querySelector<HTMLElement>(".divider") : null;
    const bubble = mark ?? box.querySelector<HTMLElement>(`[data-seq="${wanted.seq}"]`);
    if (!bubble) return;
    opening.current = null;
    const offset = mark ? box.clientHeight * 0.22 : (box.clientHeight - bubble.offsetHeight) / 2;
    box.scrollTop += bubble.getBoundingClientRect().top - box.getBoundingClientRect().top - offset;
    stick.current = false;
    onScroll();
  };

  useLayoutEffect(() => {
    // before the paint: the rows are read meanwhile
    const known = chats.peek().get(id);
    const wanted = target.peek();
    if (wanted?.chatId === id) {
      target.value = null;
      state.jump(wanted.seq, wanted.id);
    } else if (known && known.unread > 0 && known.last) {
      divider.value = { after: known.readSeq, unread: known.unread };
      stick.current = false;
      opening.current = { seq: known.readSeq + 1, place: "divider" };
      void view.around(known.readSeq + 1).then(() => {
        if (!view.rows.peek()?.length) void view.toEnd();
      });
    } else void view.toEnd();
    if (known && known.chat.lastSeq > (known.last?.message.seq ?? 0) + 50) void actions.fetchNewest(id);
    if (known?.chat.peer && known.chat.peer.id !== me.peek()?.id) engine.watch([known.chat.peer.id]);
    if (known?.chat.type === "group" && known.chat.membership === "member")
      void actions.members(id).catch(() => undefined);
    const look = () => seen();
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    const resize = new ResizeObserver(() => {
      if (scroller.current && follows()) scroller.current.scrollTop = scroller.current.scrollHeight;
    });
    resize.observe(scroller.current!);
    return () => {
      view.close();
      resize.disconnect();
      removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, [id]);

  useEffect(() => {
    const wanted = target.value;
    if (wanted?.chatId === id) {
      target.value = null;
      state.jump(wanted.seq, wanted.id);
    }
  }, [target.value]);

  const rows = view.rows.value;
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box || !rows) return;
    const last = rows.at(-1);
    const wrote = last && isUnsent(last) && last.state !== "failed" && last.id !== lastSeenUnsent.current;
    if (wrote) lastSeenUnsent.current = last.id;
    if (opening.current) place();
    else if ((follows() || wrote) && view.atEnd) {
      box.scrollTop = box.scrollHeight;
      stick.current = true;
      if (wrote) divider.value = null;
    } else if (anchor.current && Math.abs(box.scrollTop - top.current) <= 1) {
      // Not when the person has moved since: the anchor is where they were.
      const bubble = box.querySelector<HTMLElement>(`[data-key="${anchor.current.key}"]`);
      if (bubble)
        box.scrollTop += bubble.getBoundingClientRect().top - box.getBoundingClientRect().top - anchor.current.top;
    }
    keep();
    seen();
    measure();
    // What fits tells of no scrolling.
    if (box.scrollHeight <= box.clientHeight && !view.atStart && !opening.current) void view.older();
  }, [rows]);
  const lastSeenUnsent = useRef("");

  // The row of the list may learn of a message after its bubble was drawn: what is in sight is read and counted then.
  useEffect(() => {
    seen();
    measure();
  }, [row.unread]);

  useEffect(() => {
    if (rows) void actions.meet(rows.flatMap((one) => [one.message.senderId ?? "", ...(one.message.mentions ?? [])]));
  }, [rows]);

  const measure = () => {
    const box = scroller.current!;
    top.current = box.scrollTop;
    const rest = box.scrollHeight - box.scrollTop - box.clientHeight;
    batch(() => {
      away.value = rest > 240 || !view.atEnd;
      missed.value = away.value ? (chats.peek().get(id)?.unread ?? 0) : 0;
    });
    return rest;
  };

  const hold = () => {
    heading.current = false;
  };
  const arrived = () => {
    hold();
    onScroll();
  };
  const ticking = useRef(false);
  const onScroll = () => {
    if (ticking.current) return;
    ticking.current = true;
    requestAnimationFrame(() => {
      ticking.current = false;
      const box = scroller.current;
      if (!box) return;
      const rest = measure();
      if (rest < BOTTOM_PX) heading.current = false;
      // On the way nothing is anchored or loaded: whatever sets `scrollTop` would stop the movement.
      if (!heading.current) {
        stick.current = view.atEnd && rest < BOTTOM_PX && !opening.current;
        keep();
        if (box.scrollTop < NEAR_PX && !view.atStart) void view.older();
        else if (rest < NEAR_PX && !view.atEnd) void view.newer();
      }
      seen();
    });
  };

  const typers = (typing.value.get(id) ?? []).map((one) => firstName(nameOf(one)));
  // The line that says so comes and goes at the end: the end is followed, and where it then is remembered.
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box || !rows) return;
    if (view.atEnd && follows()) box.scrollTop = box.scrollHeight;
    measure();
  }, [typers.length > 0]);
  const group = row.chat.type === "group";
  return (
    <section class="thread" aria-label={t("messages")}>
      {state.selected.value ? <SelectionBar state={state} /> : <Head row={row} state={state} />}
      <Connection narrow />
      <PinnedBar row={row} state={state} />
      <div class="scroll-box">
        <div
          class="scroller"
          ref={scroller}
          onScroll={onScroll}
          onScrollEnd={arrived}
          onWheel={hold}
          onTouchStart={hold}
          onPointerDown={hold}
          onKeyDown={hold}
          role="log"
          aria-live="polite"
          aria-relevant="additions"
          aria-label={t("messages")}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
          tabIndex={0}
        >
          <div class="rows">
            {rows === null ? (
              <Spinner />
            ) : rows.length === 0 ? (
              <Empty icon="chat" title={t("noMessagesYet")} text={t("sayHello")} />
            ) : (
              <Days
                rows={rows}
                state={state}
                divider={divider.value}
                fromStart={view.atStart}
                group={group}
                self={isSelf(row.chat)}
                may={mayWrite(row.chat)}
                pinned={(row.chat.pinnedMessageIds ?? []).join()}
                othersReadSeq={row.othersReadSeq}
                othersDeliveredSeq={row.othersDeliveredSeq}
              />
            )}
            {typers.length > 0 && (
              <p class="typing" aria-live="off">
                <span class="typing-dots" aria-hidden="true">
                  <i />
                  <i />
                  <i />
                </span>
                {group ? t("typingNames", { n: typers.length, who: list(typers.slice(0, 3)) }) : t("typing")}
              </p>
            )}
          </div>
        </div>
        {away.value && (
          <button
            type="button"
            class="to-end"
            onClick={() => void toEnd()}
            aria-label={[t("toNewest"), ...(missed.value ? [t("unread", { n: missed.value })] : [])].join(", ")}
            title={t("toNewest")}
          >
            <Icon name="down" />
            {missed.value > 0 && (
              <span class="badge" aria-hidden="true">
                {missed.value > 999 ? "999+" : missed.value}
              </span>
            )}
          </button>
        )}
      </div>
      <Composer row={row} state={state} onSent={() => toEnd(false)} />
      {state.ask.value && <Asked ask={state.ask.value} state={state} onClose={() => (state.ask.value = null)} />}
    </section>
  );
}

/** A chat that is not held: it may have been made just now, or be none of ours. */
function Missing({ id }: { id: string }) {
  const { code } = useAnswer(() => actions.fetchChat(id));
  return (
    <section class="thread" aria-label={t("messages")}>
      <header class="thread-head only-narrow">
        <IconButton icon="back" label={t("back")} onClick={() => back("/")} class="flip" />
      </header>
      <div class="waiting">
        <Unanswered code={code.value}>
          <button type="button" class="button" onClick={() => back("/")}>
            {t("chats")}
          </button>
        </Unanswered>
      </div>
    </section>
  );
}

/** Where what was unread began when the chat was opened, and how much it was. */
interface Divider {
  after: number;
  unread: number;
}

interface DaysProps {
  rows: Row[];
  state: ThreadState;
  divider: Divider | null;
  /** Whether nothing is before the first row. */
  fromStart: boolean;
  /** Of the chat what bubbles show: most of what happens in it changes none of this. */
  group: boolean;
  self: boolean;
  may: boolean;
  pinned: string;
  othersReadSeq: number;
  othersDeliveredSeq: number;
}

const Days = memo(function Days(props: DaysProps) {
  const { rows, state, divider, group } = props;
  const days: { key: string; rows: Row[] }[] = [];
  for (const row of rows) {
    const key = dayKey(row.message.createdAt);
    if (days.at(-1)?.key === key) days.at(-1)!.rows.push(row);
    else days.push({ key, rows: [row] });
  }
  const mine = me.value?.id;
  const isNew = ({ message }: Row) =>
    message.seq !== null && message.seq > divider!.after && message.senderId !== mine && message.kind === "message";
  const first = divider ? rows.findIndex(isNew) : -1;
  const firstNew = first > 0 || props.fromStart ? rows[first] : undefined; // else it began further up
  return (
    <>
      {days.map((one) => (
        <div class="day" key={one.key}>
          <div class="date">
            <span>{day(one.rows[0]!.message.createdAt)}</span>
          </div>
          {one.rows.map((row, i) => {
            const before = one.rows[i - 1];
            const after = one.rows[i + 1];
            return (
              <div key={keyOf(row)} class="slot">
                {row === firstNew && (
                  <div class="divider">
                    <span>{t("unread", { n: divider!.unread })}</span>
                  </div>
                )}
                <Bubble
                  row={row}
                  state={state}
                  tick={props.self ? null : tickOf(row, props)}
                  pinned={props.pinned.includes(row.id)}
                  may={props.may}
                  group={group}
                  first={!joins(before, row) || row === firstNew}
                  last={!joins(row, after) || after === firstNew}
                />
              </div>
            );
          })}
        </div>
      ))}
    </>
  );
});

/** Whether two neighbours belong together. */
function joins(a: Row | undefined, b: Row | undefined): boolean {
  return (
    a !== undefined &&
    b !== undefined &&
    a.message.senderId === b.message.senderId &&
    a.message.kind === b.message.kind &&
    Date.parse(b.message.createdAt) - Date.parse(a.message.createdAt) < GROUP_MS
  );
}
