/** Emoji by group, by word, and those used last. The data is loaded with this view. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { t } from "../../i18n/i18n";
import { wordsOf } from "../../store/text";
import { Icon } from "../icon";
import { useLayer } from "../layer";

type One = [emoji: string, name: string, group: number];

const RECENT = "tidings.emoji";
const RECENT_MAX = 32;
const GROUPS = ["😀", "👋", "🐻", "🍕", "✈️", "⚽", "💡", "❤️", "🏁"];

function recent(): string[] {
  try {
    return JSON.parse(localStorage.getItem(RECENT) ?? "[]") as string[];
  } catch {
    return [];
  }
}

export function EmojiPicker({ onPick }: { onPick(emoji: string): void }) {
  const all = useSignal<One[] | null>(null);
  const query = useSignal("");
  const group = useSignal(-1);
  const lately = useMemo(recent, []);
  const grid = useRef<HTMLDivElement>(null);
  useEffect(() => {
    void import("virtual:emoji").then((module) => (all.value = module.default));
  }, []);
  const words = wordsOf(query.value);
  const shown = useMemo(() => {
    const data = all.value ?? [];
    if (words.length) return data.filter(([, name]) => words.every((word) => name.includes(word))).slice(0, 160);
    return group.value < 0 ? [] : data.filter((one) => one[2] === group.value);
  }, [all.value, query.value, group.value]);
  const pick = (emoji: string) => {
    localStorage.setItem(
      RECENT,
      JSON.stringify([emoji, ...lately.filter((one) => one !== emoji)].slice(0, RECENT_MAX)),
    );
    onPick(emoji);
  };
  const list =
    shown.length || words.length
      ? shown.map((one) => [one[0], one[1]] as const)
      : lately.map((one) => [one, one] as const);
  const fallback =
    !list.length && !words.length && all.value
      ? all.value.filter((one) => one[2] === 0).map((one) => [one[0], one[1]] as const)
      : list;
  return (
    <div class="emoji">
      <div class="search">
        <Icon name="search" />
        <input
          type="search"
          autoComplete="off"
          placeholder={t("searchEmoji")}
          aria-label={t("searchEmoji")}
          onInput={(event) => (query.value = event.currentTarget.value)}
        />
      </div>
      <div class="emoji-groups" role="group" aria-label={t("groups")}>
        <button
          type="button"
          aria-label={t("recent")}
          aria-pressed={group.value === -1}
          onClick={() => (group.value = -1)}
        >
          <Icon name="clock" />
        </button>
        {GROUPS.map((emoji, i) => (
          <button
            type="button"
            key={emoji}
            aria-label={emoji}
            aria-pressed={group.value === i}
            onClick={() => {
              group.value = i;
              query.value = "";
              grid.current?.scrollTo({ top: 0 });
            }}
          >
            {emoji}
          </button>
        ))}
      </div>
      <div class="emoji-grid" ref={grid}>
        {fallback.map(([emoji, name]) => (
          <button type="button" key={emoji} title={name.split(" ").slice(0, 3).join(" ")} onClick={() => pick(emoji)}>
            {emoji}
          </button>
        ))}
        {words.length > 0 && !shown.length && all.value && <p class="hint">{t("noResults")}</p>}
      </div>
    </div>
  );
}

export function EmojiPanel({ onPick, onClose }: { onPick(text: string): void; onClose(): void }) {
  const box = useRef<HTMLDivElement>(null);
  useLayer(onClose);
  useEffect(() => {
    // On a phone its keyboard would come and hide what was asked for.
    if (matchMedia("(hover: hover)").matches) box.current!.querySelector("input")!.focus();
  }, []);
  return (
    <div class="emoji-panel" ref={box}>
      <EmojiPicker onPick={onPick} />
    </div>
  );
}
