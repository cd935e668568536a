/** Chosen, pasted or dropped files before they go: a look at them, a caption. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import * as actions from "../../engine/actions";
import { prepare } from "../../engine/prepare";
import { say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import { Dialog } from "../dialog";
import { bytes } from "../format";
import { Icon, IconButton } from "../icon";
import { Switch } from "../panel";
import type { ThreadState } from "../thread/thread";

const MB = 1024 * 1024;

/** How large a file of this kind may be (contract, limits). */
function most(kind: string): number {
  if (kind === "video") return 64 * MB;
  return kind === "document" ? 100 * MB : 16 * MB;
}

export function FilesDialog(props: {
  row: ChatRow;
  state: ThreadState;
  files: File[];
  asDocument: boolean;
  onClose(): void;
}) {
  const files = useSignal(props.files);
  const caption = useSignal("");
  const original = useSignal(props.asDocument);
  const busy = useSignal(false);
  const pictures = files.value.some((file) => /^(image|video)\//.test(file.type));
  const large = files.value.filter((file) => file.size > most(file.type.startsWith("video/") ? "video" : "document"));
  const send = async () => {
    busy.value = true;
    const replyTo = props.state.replyTo.value?.message.messageId ?? null;
    try {
      for (const [i, file] of files.value.entries()) {
        const made = await prepare(file, i === 0 ? caption.value : "", original.value);
        if (made.file.size > most(made.draft.kind)) say(t("error_too_large"));
        else if (!(await actions.sendFile(props.row.id, made, i === 0 ? replyTo : null))) {
          files.value = files.value.slice(i);
          busy.value = false;
          return;
        }
      }
      props.state.replyTo.value = null;
      props.onClose();
    } catch {
      say(t("error_internal"));
      busy.value = false;
    }
  };
  return (
    <Dialog
      title={t("sendFiles", { n: files.value.length })}
      onClose={props.onClose}
      foot={
        <form
          class="writer"
          onSubmit={(event) => {
            event.preventDefault();
            void send();
          }}
        >
          <textarea
            rows={1}
            dir="auto"
            autoComplete="off"
            placeholder={t("addCaption")}
            aria-label={t("addCaption")}
            autoFocus
            onInput={(event) => (caption.value = event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
                event.preventDefault();
                void send();
              }
            }}
          />
          <button
            type="submit"
            class="send"
            aria-label={t("send")}
            disabled={busy.value || !files.value.length || large.length > 0}
          >
            <Icon name="send" class="flip" />
          </button>
        </form>
      }
    >
      <div class="files">
        {files.value.map((file) => (
          <figure key={`${file.name}${file.size}${file.lastModified}`}>
            <Thumb file={file} />
            <figcaption>
              <b dir="auto">{file.name}</b>
              <small>{bytes(file.size)}</small>
            </figcaption>
            {files.value.length > 1 && (
              <IconButton
                icon="close"
                label={t("removeFile")}
                onClick={() => (files.value = files.value.filter((one) => one !== file))}
              />
            )}
          </figure>
        ))}
      </div>
      {large.length > 0 && (
        <p class="error" role="alert">
          {t("error_too_large")}
        </p>
      )}
      {pictures && (
        <Switch
          label={t("asDocument")}
          hint={t("asDocumentHint")}
          on={original.value}
          onChange={(on) => (original.value = on)}
        />
      )}
    </Dialog>
  );
}

function Thumb({ file }: { file: File }) {
  const url = useMemo(() => (/^(image|video)\//.test(file.type) ? URL.createObjectURL(file) : null), [file]);
  useEffect(() => () => (url ? URL.revokeObjectURL(url) : undefined), [url]);
  if (!url)
    return (
      <span class="document-icon">
        <Icon name="file" />
      </span>
    );
  return file.type.startsWith("video/") ? <video src={url} muted playsInline /> : <img src={url} alt="" />;
}
