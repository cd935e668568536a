/** Pictures and videos of a chat, one at a time: arrows and swipes walk, wheel and double tap zoom, Esc closes. */

import "../../style/viewer.css";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { engine, pictures } from "../../engine/here";
import { t } from "../../i18n/i18n";
import type { Row } from "../../store/schema";
import { shelf } from "../../store/search";
import type { Content } from "../../sync/wire";
import { useModal } from "../dialog";
import { full, nameOf } from "../format";
import { IconButton } from "../icon";
import { Spinner } from "../parts";
import { openMessage } from "../route";
import { download, useFile } from "./content";

const ZOOM_MAX = 5;

export function Viewer({ row, onClose }: { row: Row; onClose(): void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const all = useSignal<Row[]>([row]);
  const at = useSignal(0);
  useModal(dialog, onClose);
  useEffect(() => {
    void shelf(engine.store.db, row.chatId, "media").then((found) => {
      const rows = found.reverse();
      const index = rows.findIndex((one) => one.id === row.id);
      if (index >= 0) {
        all.value = rows;
        at.value = index;
      }
    });
  }, []);
  const shown = all.value[at.value] ?? row;
  const content = shown.message.content as Extract<Content, { kind: "image" | "video" }> | null;
  const step = (by: number) => {
    at.value = Math.max(0, Math.min(all.value.length - 1, at.value + by));
  };
  const rtl = document.documentElement.dir === "rtl" ? -1 : 1;
  if (!content) return null;
  return (
    <dialog
      ref={dialog}
      class="viewer"
      aria-label={t("photo")}
      onCancel={onClose}
      onClose={onClose}
      onKeyDown={(event) => {
        if (event.key === "ArrowRight") step(rtl);
        if (event.key === "ArrowLeft") step(-rtl);
      }}
    >
      <header>
        <IconButton icon="close" label={t("close")} onClick={onClose} />
        <span class="viewer-who">
          <b dir="auto">{nameOf(shown.message.senderId)}</b>
          <small>{full(shown.message.createdAt)}</small>
        </span>
        {shown.message.seq !== null && (
          <IconButton
            icon="chat"
            label={t("showInChat")}
            onClick={() => {
              onClose();
              openMessage(shown.chatId, shown.message.seq!, shown.id);
            }}
          />
        )}
        {content.mediaId && (
          <IconButton
            icon="download"
            label={t("download")}
            onClick={() => void download(content.mediaId, content.kind === "video" ? "video.mp4" : "photo.jpg")}
          />
        )}
      </header>
      <Stage key={shown.id} row={shown} content={content} onSwipe={(by) => step(by * rtl)} onDismiss={onClose} />
      {at.value > 0 && (
        <IconButton icon="next" class="viewer-step before" label={t("previous")} onClick={() => step(-1)} />
      )}
      {at.value < all.value.length - 1 && (
        <IconButton icon="next" class="viewer-step after" label={t("next")} onClick={() => step(1)} />
      )}
      {content.caption && <p dir="auto">{content.caption}</p>}
    </dialog>
  );
}

function Stage(props: {
  row: Row;
  content: Extract<Content, { kind: "image" | "video" }>;
  onSwipe(by: number): void;
  onDismiss(): void;
}) {
  const { content } = props;
  const video = content.kind === "video";
  const stream = useSignal<string | null>(null);
  const small = useFile(props.row, "thumb");
  const large = useFile(props.row, "full", !video);
  const zoom = useSignal({ scale: 1, x: 0, y: 0 });
  const held = useRef<{ x: number; y: number; from: { x: number; y: number } } | null>(null);
  useEffect(() => {
    if (video && content.mediaId) void pictures.address(content.mediaId).then((url) => (stream.value = url));
  }, []);
  if (video)
    return (
      <div class="stage">
        {stream.value ? <video src={stream.value} poster={small ?? ""} controls autoPlay playsInline /> : <Spinner />}
      </div>
    );
  const url = large ?? small;
  const scaleTo = (scale: number) => {
    const next = Math.max(1, Math.min(ZOOM_MAX, scale));
    zoom.value = next === 1 ? { scale: 1, x: 0, y: 0 } : { ...zoom.value, scale: next };
  };
  return (
    <div
      class="stage"
      onWheel={(event) => {
        event.preventDefault();
        scaleTo(zoom.value.scale * (event.deltaY < 0 ? 1.15 : 0.87));
      }}
      onDblClick={() => scaleTo(zoom.value.scale > 1 ? 1 : 2.5)}
      onPointerDown={(event) => {
        held.current = { x: event.clientX, y: event.clientY, from: zoom.value };
        (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        const start = held.current;
        if (!start || zoom.value.scale === 1) return;
        zoom.value = {
          ...zoom.value,
          x: start.from.x + event.clientX - start.x,
          y: start.from.y + event.clientY - start.y,
        };
      }}
      onPointerUp={(event) => {
        const start = held.current;
        held.current = null;
        if (!start || zoom.value.scale > 1) return;
        const [dx, dy] = [event.clientX - start.x, event.clientY - start.y];
        if (Math.abs(dx) > 70 && Math.abs(dx) > Math.abs(dy)) props.onSwipe(dx < 0 ? 1 : -1);
        else if (dy > 110) props.onDismiss();
      }}
    >
      {url ? (
        <img
          src={url}
          alt={content.caption ?? t("photo")}
          draggable={false}
          style={{ transform: `translate(${zoom.value.x}px, ${zoom.value.y}px) scale(${zoom.value.scale})` }}
        />
      ) : (
        <Spinner />
      )}
    </div>
  );
}
