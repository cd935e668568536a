/** A chosen file becomes what is sent: its kind, size in pixels, a blurred preview, a picture made smaller. */

import type { Content } from "../sync/wire";

const EDGE_MAX = 2048; // pixels; larger pictures are scaled to this
const KEEP_BYTES = 400 * 1024; // smaller pictures go as they are
const JPEG_QUALITY = 0.86;

export interface Prepared {
  file: Blob;
  fileName: string;
  draft: Content;
}

/** `asDocument`: as it is, bytes untouched. */
export async function prepare(file: File, caption: string, asDocument = false): Promise<Prepared> {
  const fileName = file.name || "file";
  const words = caption.trim() ? { caption: caption.trim() } : {};
  if (!asDocument && /^image\/(jpeg|png|webp|gif|bmp)$/.test(file.type)) {
    const picture = await createImageBitmap(file).catch(() => null);
    if (picture) {
      const still = file.type !== "image/gif";
      const scale = Math.min(1, EDGE_MAX / Math.max(picture.width, picture.height));
      const shrink = still && (scale < 1 || file.size > KEEP_BYTES);
      const width = Math.max(1, Math.round(picture.width * (still ? scale : 1)));
      const height = Math.max(1, Math.round(picture.height * (still ? scale : 1)));
      const blob = shrink ? await jpeg(picture, width, height) : file;
      const blurhash = await blur(picture);
      picture.close();
      return { file: blob, fileName, draft: { kind: "image", mediaId: "", width, height, blurhash, ...words } };
    }
  }
  if (!asDocument && file.type.startsWith("video/")) {
    const found = await probe(file);
    if (found) return { file, fileName, draft: { kind: "video", mediaId: "", ...found, ...words } };
  }
  return { file, fileName, draft: { kind: "document", mediaId: "", fileName, size: file.size, ...words } };
}

async function jpeg(picture: ImageBitmap, width: number, height: number): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d")!;
  context.fillStyle = "#fff"; // what was transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  return await new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", JPEG_QUALITY),
  );
}

async function blur(picture: ImageBitmap): Promise<string> {
  const { encode } = await import("blurhash");
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 32;
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.drawImage(picture, 0, 0, 32, 32);
  return encode(context.getImageData(0, 0, 32, 32).data, 32, 32, 4, 3);
}

function probe(file: File): Promise<{ width: number; height: number; durationMs: number } | null> {
  return new Promise((resolve) => {
    const video = document.createElement("video");
    const url = URL.createObjectURL(file);
    const end = (found: { width: number; height: number; durationMs: number } | null) => {
      URL.revokeObjectURL(url);
      resolve(found);
    };
    video.preload = "metadata";
    video.muted = true;
    video.onloadedmetadata = () => {
      const durationMs = Number.isFinite(video.duration) ? Math.round(video.duration * 1000) : 0;
      end(video.videoWidth ? { width: video.videoWidth, height: video.videoHeight, durationMs } : null);
    };
    video.onerror = () => end(null);
    setTimeout(() => end(null), 4_000);
    video.src = url;
  });
}
