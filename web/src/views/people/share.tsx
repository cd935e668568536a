/** What another app shared: choose whom it goes to. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as actions from "../../engine/actions";
import { prepare } from "../../engine/prepare";
import { say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import { Spinner } from "../parts";
import { go } from "../route";
import { ChatPicker } from "../thread/asked";

interface Shared {
  text: string;
  files: File[];
}

/** Left in the cache by the worker, for a page is not given the form itself. */
async function takeShared(): Promise<Shared> {
  const cache = await caches.open("tidings-shared");
  const shared: Shared = { text: "", files: [] };
  for (const request of await cache.keys()) {
    const answer = await cache.match(request);
    const name = decodeURIComponent(new URL(request.url).pathname.split("/").pop() ?? "");
    if (answer && name === "text") shared.text = await answer.text();
    else if (answer)
      shared.files.push(
        new File([await answer.blob()], name.replace(/^\d+-/, ""), { type: answer.headers.get("content-type") ?? "" }),
      );
    await cache.delete(request);
  }
  return shared;
}

export function Share() {
  const shared = useSignal<Shared | null>(null);
  useEffect(() => {
    const given = new URLSearchParams(location.search);
    const text = ["title", "text", "url"]
      .map((name) => given.get(name))
      .filter(Boolean)
      .join("\n");
    takeShared().then(
      (found) => (shared.value = { text: found.text || text, files: found.files }),
      () => (shared.value = { text, files: [] }),
    );
  }, []);
  if (!shared.value) return <Spinner />;
  const { text, files } = shared.value;
  const send = async (ids: string[]) => {
    for (const id of ids) {
      for (const [i, file] of files.entries()) await actions.sendFile(id, await prepare(file, i ? "" : text));
      if (!files.length && text.trim()) await actions.send(id, { kind: "text", text: text.trim() });
    }
    say(t("forwardedDone", { n: ids.length }));
    go(ids.length === 1 ? `/chat/${ids[0]}` : "/", true);
  };
  return (
    <ChatPicker
      title={t("shareWith")}
      action={t("send")}
      onPick={(ids) => void send(ids)}
      onClose={() => go("/", true)}
    />
  );
}
