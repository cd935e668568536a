/** A picture becomes a sticker: at most 512 pixels, transparent where it was. */

import type { Prepared } from "../../engine/prepare";

const EDGE = 512;

export async function asSticker(file: File): Promise<Prepared> {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, EDGE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  canvas.getContext("2d")!.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/webp", 0.9));
  if (!blob) throw new Error("no picture");
  const fileName = blob.type === "image/webp" ? "sticker.webp" : "sticker.png";
  return { file: blob, fileName, draft: { kind: "sticker", mediaId: "" } };
}
