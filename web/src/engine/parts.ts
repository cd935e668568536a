/** A large file goes in parts: what is there stays there, also when the page goes away meanwhile. */

import { type Api, Refusal } from "../api/http";
import type { Upload } from "../store/schema";
import type { Store } from "../store/store";
import type { Media } from "../sync/wire";

interface Begun {
  id: string;
  partSize: number;
  parts: { number: number; size: number; url: string; etag?: string }[];
}

type Progress = (share: number) => void;

export async function sendInParts(
  api: Api,
  store: Store,
  upload: Upload,
  progress: Progress,
  signal: AbortSignal,
): Promise<Media> {
  const begun = await resumed(api, store, upload);
  if (!begun) return await api.post<Media>(`/media/uploads/${upload.mediaId}/complete`, ASK);
  const { size } = upload.file;
  let sent = begun.parts.reduce((sum, part) => sum + (part.etag ? part.size : 0), 0);
  const parts: { number: number; etag: string }[] = [];
  for (const part of begun.parts) {
    const start = (part.number - 1) * begun.partSize;
    const etag =
      part.etag ??
      (await api.putPart(
        part.url,
        upload.file.slice(start, start + part.size),
        (share) => progress((sent + share * part.size) / size),
        signal,
      ));
    if (!part.etag) sent += part.size;
    parts.push({ number: part.number, etag });
  }
  return await api.post<Media>(`/media/uploads/${begun.id}/complete`, { parts });
}

const ASK = { parts: [{ number: 1, etag: "?" }] }; // of one that is complete: it answers with the file

/** The upload as the server has it; null when it was complete already and only the answer was lost. */
async function resumed(api: Api, store: Store, upload: Upload): Promise<Begun | null> {
  if (upload.mediaId) {
    try {
      return await api.get<Begun>(`/media/uploads/${upload.mediaId}`);
    } catch (error) {
      if (error instanceof Refusal && error.code === "conflict") return null;
      if (!(error instanceof Refusal) || error.code !== "not_found") throw error;
    }
  }
  const begun = await api.post<Begun>("/media/uploads", {
    fileName: upload.fileName,
    mimeType: upload.file.type || "application/octet-stream",
    size: upload.file.size,
  });
  await store.placeUpload(upload.id, begun.id);
  return begun;
}
