/** What was shared in a chat: pictures, documents, links, voice notes. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { engine } from "../../engine/here";
import { t } from "../../i18n/i18n";
import type { Row } from "../../store/schema";
import { shelf } from "../../store/search";
import { brief, contentLine, nameOf } from "../format";
import { Icon } from "../icon";
import { Empty, useMedia } from "../parts";
import { openMessage } from "../route";
import { Blur } from "../thread/content";
import { openViewer } from "../thread/viewing";

const SHELVES = ["media", "docs", "links", "voice"] as const;

export function Shelf({ chatId }: { chatId: string }) {
  const kind = useSignal<(typeof SHELVES)[number]>("media");
  const rows = useSignal<Row[] | null>(null);
  useEffect(() => {
    rows.value = null;
    void shelf(engine.store.db, chatId, kind.value).then((found) => (rows.value = found));
  }, [kind.value]);
  return (
    <>
      <div class="filters" role="group" aria-label={t("filter")}>
        {SHELVES.map((name) => (
          <button type="button" key={name} aria-pressed={kind.value === name} onClick={() => (kind.value = name)}>
            {t(`shelf_${name}`)}
          </button>
        ))}
      </div>
      {rows.value?.length === 0 ? (
        <Empty icon="image" title={t("nothingHere")} />
      ) : kind.value === "media" ? (
        <div class="tiles">
          {rows.value?.map((row) => (
            <Tile key={row.id} row={row} />
          ))}
        </div>
      ) : (
        rows.value?.map((row) => (
          <button type="button" class="row" key={row.id} onClick={() => openMessage(chatId, row.message.seq!, row.id)}>
            <span class="row-icon">
              <Icon name={kind.value === "links" ? "link" : kind.value === "voice" ? "mic" : "file"} />
            </span>
            <span class="row-text">
              <span class="row-top">
                <b dir="auto">{nameOf(row.message.senderId)}</b>
                <time>{brief(Date.parse(row.message.createdAt))}</time>
              </span>
              <small dir="auto">{contentLine(row.message.content)}</small>
            </span>
          </button>
        ))
      )}
    </>
  );
}

function Tile({ row }: { row: Row }) {
  const content = row.message.content;
  const media = content?.kind === "image" || content?.kind === "video" ? content : null;
  const url = useMedia(media?.mediaId, "thumb");
  if (!media) return null;
  return (
    <button type="button" aria-label={media.caption || t("photo")} onClick={() => openViewer(row)}>
      {media.blurhash && <Blur hash={media.blurhash} />}
      {url && <img src={url} alt="" loading="lazy" />}
      {media.kind === "video" && (
        <span class="badge-round">
          <Icon name="play" />
        </span>
      )}
    </button>
  );
}
