/** Record a voice note: what is heard is seen, and it can be thrown away. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as actions from "../../engine/actions";
import type { Prepared } from "../../engine/prepare";
import { say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import { duration } from "../format";
import { Icon, IconButton } from "../icon";
import { useLayer } from "../layer";
import type { ThreadState } from "../thread/thread";

const KINDS = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
const MS_MAX = 30 * 60_000;
const LOOK_MS = 60;
const BARS = 64;

export function VoiceBar({ row, state, onClose }: { row: ChatRow; state: ThreadState; onClose(): void }) {
  const levels = useRef<number[]>([]);
  const shown = useSignal<number[]>([]);
  const spent = useSignal(0);
  const paused = useSignal(false);
  const recorder = useRef<MediaRecorder | null>(null);
  const end = useRef<(send: boolean) => void>(() => onClose());

  /** With the storage full the recording stays here, to be sent when there is room. */
  const post = async (note: Prepared) => {
    if (await actions.sendFile(row.id, note, state.replyTo.peek()?.message.messageId ?? null)) {
      state.replyTo.value = null;
      onClose();
    } else end.current = (send) => (send ? void post(note) : onClose());
  };

  useEffect(() => {
    let live = true;
    let stream: MediaStream | null = null;
    let context: AudioContext | null = null;
    let timer: ReturnType<typeof setInterval> | undefined;
    const chunks: Blob[] = [];
    navigator.mediaDevices
      .getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } })
      .then((found) => {
        if (!live) {
          for (const track of found.getTracks()) track.stop();
          return;
        }
        stream = found;
        const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
        const made = new MediaRecorder(found, mimeType ? { mimeType, audioBitsPerSecond: 32_000 } : {});
        recorder.current = made;
        context = new AudioContext();
        const meter = context.createAnalyser();
        meter.fftSize = 512;
        context.createMediaStreamSource(found).connect(meter);
        const samples = new Uint8Array(meter.fftSize);
        made.ondataavailable = ({ data }) => data.size && chunks.push(data);
        made.start(1_000);
        timer = setInterval(() => {
          if (made.state !== "recording") return;
          meter.getByteTimeDomainData(samples);
          const loud = samples.reduce((most, one) => Math.max(most, Math.abs(one - 128)), 0);
          levels.current.push(Math.min(255, Math.round((loud / 128) * 340)));
          spent.value += LOOK_MS;
          shown.value = levels.current.slice(-48);
          if (spent.value >= MS_MAX) end.current(true);
        }, LOOK_MS);
        end.current = (send) => {
          made.onstop = () => {
            if (send && spent.value > 400) {
              const kind = made.mimeType.split(";")[0] || "audio/webm";
              const extension = kind.includes("mp4") ? "m4a" : kind.includes("ogg") ? "ogg" : "webm";
              const waveform = squeeze(levels.current);
              const draft = { kind: "voice" as const, mediaId: "", durationMs: spent.value, waveform };
              void post({ file: new Blob(chunks, { type: kind }), fileName: `voice.${extension}`, draft });
            } else onClose();
          };
          made.stop();
        };
      })
      .catch(() => {
        say(t("noMicrophone"));
        onClose();
      });
    return () => {
      live = false;
      clearInterval(timer);
      if (recorder.current && recorder.current.state !== "inactive") recorder.current.stop();
      for (const track of stream?.getTracks() ?? []) track.stop();
      void context?.close();
    };
  }, []);

  const hold = () => {
    const made = recorder.current;
    if (!made || made.state === "inactive") return;
    if (made.state === "recording") made.pause();
    else made.resume();
    paused.value = made.state === "paused";
  };
  return (
    <div class="recorder" role="group" aria-label={t("recordVoice")}>
      <IconButton icon="trash" label={t("discard")} onClick={() => end.current(false)} />
      <span class={`rec-dot ${paused.value ? "still" : ""}`} aria-hidden="true" />
      <time role="timer">{duration(spent.value)}</time>
      <span class="wave live" aria-hidden="true">
        {shown.value.map((level, i) => (
          <i key={i} class="on" style={{ height: `${12 + (level / 255) * 88}%` }} />
        ))}
      </span>
      <IconButton icon={paused.value ? "mic" : "pause"} label={paused.value ? t("goOn") : t("pause")} onClick={hold} />
      {spent.value > 0 && !paused.value && <Running onBack={hold} />}
      <button type="button" class="send" aria-label={t("send")} onClick={() => end.current(true)}>
        <Icon name="send" class="flip" />
      </button>
    </div>
  );
}

/** While it runs, Back holds it: what was said is not lost by one press. */
function Running({ onBack }: { onBack(): void }) {
  useLayer(onBack);
  return null;
}

/** As many bars as the wire has. */
function squeeze(levels: number[]): number[] {
  return Array.from({ length: BARS }, (_, i) => {
    const from = Math.floor((i * levels.length) / BARS);
    const to = Math.max(from + 1, Math.floor(((i + 1) * levels.length) / BARS));
    return Math.max(0, ...levels.slice(from, to));
  });
}
