/** What a message holds, by kind. What this client does not know is shown as such. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as actions from "../../engine/actions";
import { engine, failure, pictures } from "../../engine/here";
import { people, progress, say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { Row } from "../../store/schema";
import type { Content as Body } from "../../sync/wire";
import { bytes, duration, personName, refusal } from "../format";
import { Icon } from "../icon";
import { look } from "../look";
import { Avatar, useMedia } from "../parts";
import { go } from "../route";
import { Rich } from "../text";
import { Poll } from "./poll";
import type { ThreadState } from "./thread";
import { openViewer } from "./viewing";

const WIDE_PX = 330;
const TALL_PX = 400;

export function Content({ row, state }: { row: Row; state: ThreadState }) {
  const content = row.message.content as Body;
  switch (content.kind) {
    case "image":
    case "video":
      return <Picture row={row} content={content} selecting={state.selected.value !== null} />;
    case "sticker":
      return <StickerView row={row} content={content} />;
    case "voice":
    case "audio":
      return <Voice row={row} content={content} />;
    case "document":
      return <Document row={row} content={content} />;
    case "location":
      return <Place content={content} />;
    case "contact":
      return <ContactCard content={content} />;
    case "poll":
      return <Poll row={row} poll={content} />;
    default:
      return <span class="tombstone">{t("unsupported")}</span>;
  }
}

/** The picture itself: of one's own that is still on its way, from the file that waits. */
export function useFile(row: Row, size: "thumb" | "full", wanted = true): string | null | undefined {
  const content = row.message.content;
  const id = content && "mediaId" in content ? content.mediaId : "";
  const fetched = useMedia(id || null, size, null, wanted);
  const local = useSignal<string | undefined>(undefined);
  useEffect(() => {
    if (id) return;
    void engine.store.upload(row.id.slice(1)).then((upload) => {
      if (upload) local.value = pictures.local(row.id, upload.file);
    });
  }, [id]);
  return id ? fetched : local.value;
}

type PictureBody = Extract<Body, { kind: "image" | "video" }>;

/** Size on the page, reserved before a byte is there. */
function boxOf(content: PictureBody): { width: number; height: number } {
  const scale = Math.min(WIDE_PX / content.width, TALL_PX / content.height);
  return { width: Math.round(content.width * scale), height: Math.round(content.height * scale) };
}

function Picture({ row, content, selecting }: { row: Row; content: PictureBody; selecting: boolean }) {
  const asked = useSignal(false);
  const url = useFile(row, "thumb", look.value.autoDownload || asked.value);
  const { width, height } = boxOf(content);
  const video = content.kind === "video";
  const own = row.state !== "stored";
  return (
    <>
      <button
        type="button"
        class="picture"
        style={{ width: `${Math.max(140, width)}px`, aspectRatio: `${Math.max(140, width)} / ${Math.max(90, height)}` }}
        aria-label={content.caption || (video ? t("video") : t("photo"))}
        onClick={() => {
          if (selecting) return;
          if (!url && !asked.value && !look.value.autoDownload) asked.value = true;
          else openViewer(row);
        }}
      >
        {content.blurhash && <Blur hash={content.blurhash} />}
        {url && (video && own ? <video src={url} muted playsInline /> : <img src={url} alt="" decoding="async" />)}
        {!url && !look.value.autoDownload && !asked.value && (
          <span class="badge-round">
            <Icon name="download" />
          </span>
        )}
        {video && (
          <span class="badge-round">
            <Icon name="play" />
          </span>
        )}
        {video && content.durationMs ? <span class="length">{duration(content.durationMs)}</span> : null}
      </button>
      {content.caption && (
        <span class="text caption">
          <Rich text={content.caption} mentions={row.message.mentions} />
        </span>
      )}
    </>
  );
}

/** The blurred preview, until the picture is there. */
export function Blur({ hash }: { hash: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let live = true;
    void import("blurhash").then(({ decode, isBlurhashValid }) => {
      const context = live && isBlurhashValid(hash).result ? canvas.current?.getContext("2d") : null;
      if (!context) return;
      const image = context.createImageData(32, 32);
      image.data.set(decode(hash, 32, 32));
      context.putImageData(image, 0, 0);
    });
    return () => {
      live = false;
    };
  }, [hash]);
  return <canvas ref={canvas} width={32} height={32} aria-hidden="true" />;
}

function StickerView({ row }: { row: Row; content: Extract<Body, { kind: "sticker" }> }) {
  const url = useFile(row, "full");
  return (
    <span class="sticker" role="img" aria-label={t("sticker")}>
      {url && <img src={url} alt="" />}
    </span>
  );
}

const SPEEDS = [1, 1.5, 2];
let playing: HTMLAudioElement | null = null;

function Voice({ row, content }: { row: Row; content: Extract<Body, { kind: "voice" | "audio" }> }) {
  const url = useFile(row, "full", look.value.autoDownload || row.state !== "stored");
  const audio = useRef<HTMLAudioElement | null>(null);
  const at = useSignal(0); // share played
  const on = useSignal(false);
  const speed = useSignal(1);
  const length = content.durationMs || 1;
  useEffect(() => () => audio.current?.pause(), []);
  const toggle = async () => {
    let element = audio.current;
    if (!element) {
      const source = url ?? (await pictures.load((content as { mediaId: string }).mediaId, "full"));
      if (!source) return say(t("error_unreachable"));
      element = new Audio(source);
      audio.current = element;
      element.ontimeupdate = () => {
        at.value = Math.min(1, (element!.currentTime * 1000) / length);
      };
      element.onended = () => {
        on.value = false;
        at.value = 0;
      };
      element.onpause = () => (on.value = false);
      element.onplay = () => (on.value = true);
    }
    if (element.paused) {
      if (playing !== element) playing?.pause();
      playing = element;
      element.playbackRate = speed.value;
      await element.play().catch(() => say(t("cannotPlay")));
    } else element.pause();
  };
  const bars = content.waveform?.length ? content.waveform : Array.from({ length: 64 }, (_, i) => 60 + ((i * 37) % 80));
  return (
    <span class="voice">
      <button type="button" class="play" aria-label={on.value ? t("pause") : t("play")} onClick={() => void toggle()}>
        <Icon name={on.value ? "pause" : "play"} />
      </button>
      <span class="wave-box">
        <span class="wave" aria-hidden="true">
          {bars.map((bar, i) => (
            <i key={i} class={i / bars.length < at.value ? "on" : ""} style={{ height: `${12 + (bar / 255) * 88}%` }} />
          ))}
        </span>
        <input
          type="range"
          min={0}
          max={1000}
          value={Math.round(at.value * 1000)}
          aria-label={t("position")}
          aria-valuetext={duration(at.value * length)}
          onInput={(event) => {
            at.value = Number(event.currentTarget.value) / 1000;
            if (audio.current) audio.current.currentTime = (at.value * length) / 1000;
          }}
        />
        <small>{duration(on.value || at.value ? at.value * length : length)}</small>
      </span>
      <button
        type="button"
        class="speed"
        aria-label={t("speed", { n: speed.value })}
        onClick={() => {
          speed.value = SPEEDS[(SPEEDS.indexOf(speed.value) + 1) % SPEEDS.length]!;
          if (audio.current) audio.current.playbackRate = speed.value;
        }}
      >
        {`${speed.value}×`}
      </button>
    </span>
  );
}

/** Save under its own name. What a browser would run is served as a download by the server. */
export async function download(mediaId: string, fileName: string): Promise<void> {
  const address = await pictures.address(mediaId).catch(() => null);
  if (!address) return say(t("error_unreachable"));
  const link = document.createElement("a");
  link.href = address;
  link.download = fileName;
  link.rel = "noopener";
  link.click();
}

function Document({ row, content }: { row: Row; content: Extract<Body, { kind: "document" }> }) {
  const extension = content.fileName.includes(".") ? content.fileName.split(".").pop()!.slice(0, 5) : "";
  const going = progress.value.get(row.id.slice(1));
  return (
    <>
      <button
        type="button"
        class="document"
        disabled={!content.mediaId}
        onClick={() => void download(content.mediaId, content.fileName)}
      >
        <span class="document-icon">
          <Icon name="file" />
          {extension && <small>{extension}</small>}
        </span>
        <span>
          <b dir="auto">{content.fileName}</b>
          <small>{going === undefined ? bytes(content.size) : `${Math.round(going * 100)} %`}</small>
        </span>
        {content.mediaId && <Icon name="download" />}
      </button>
      {content.caption && (
        <span class="text caption">
          <Rich text={content.caption} />
        </span>
      )}
    </>
  );
}

function Place({ content }: { content: Extract<Body, { kind: "location" }> }) {
  const { lat, lon } = content;
  const where = `${lat.toFixed(5)}, ${lon.toFixed(5)}`;
  return (
    <a
      class="place"
      href={`https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=16/${lat}/${lon}`}
      target="_blank"
      rel="noopener noreferrer"
    >
      <span class="place-map" aria-hidden="true">
        <Icon name="place" />
      </span>
      <span class="place-text">
        <b dir="auto">{content.name || t("location")}</b>
        <small>{where}</small>
      </span>
    </a>
  );
}

function ContactCard({ content }: { content: Extract<Body, { kind: "contact" }> }) {
  const user = people.value.get(content.userId ?? "");
  useEffect(() => {
    if (content.userId) void actions.meet([content.userId]);
  }, [content.userId]);
  const open = async () => {
    try {
      go(`/chat/${await actions.openDirect(content.userId!)}`);
    } catch (error) {
      say(refusal(failure(error).code));
    }
  };
  return (
    <span class="card">
      <span class="card-head">
        <Avatar
          id={content.userId ?? content.name}
          name={user ? personName(user) : content.name}
          media={user?.avatar}
        />
        <span>
          <b dir="auto">{content.name}</b>
          {content.phones.map((phone) => (
            <a key={phone} href={`tel:${phone.replace(/[^\d+]/g, "")}`} dir="ltr">
              {phone}
            </a>
          ))}
        </span>
      </span>
      {content.userId && (
        <button type="button" class="card-action" onClick={() => void open()}>
          {t("message")}
        </button>
      )}
    </span>
  );
}
