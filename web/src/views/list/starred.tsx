import "../../style/panels.css";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as actions from "../../engine/actions";
import { failure } from "../../engine/here";
import { chats, say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { Message } from "../../sync/wire";
import { brief, contentLine, nameOf, refusal, titleOf } from "../format";
import { Empty, PanelHead, Spinner } from "../parts";
import { back, openMessage } from "../route";

export function Starred() {
  const found = useSignal<Message[] | null>(null);
  useEffect(() => {
    actions.starred().then(
      ({ items }) => {
        found.value = items;
        void actions.meet(items.map((item) => item.senderId ?? ""));
      },
      (error) => {
        found.value = [];
        say(refusal(failure(error).code));
      },
    );
  }, []);
  return (
    <div class="panel">
      <PanelHead title={t("starredMessages")} onBack={() => back("/")} />
      <div class="panel-body">
        {found.value === null ? (
          <Spinner />
        ) : found.value.length === 0 ? (
          <Empty icon="star" title={t("nothingStarred")} text={t("nothingStarredText")} />
        ) : (
          found.value.map((message) => {
            const row = chats.value.get(message.chatId);
            return (
              row && (
                <button
                  type="button"
                  class="row"
                  key={message.messageId}
                  onClick={() => openMessage(message.chatId, message.seq, message.messageId)}
                >
                  <span class="row-text">
                    <span class="row-top">
                      <b dir="auto">{`${nameOf(message.senderId)} · ${titleOf(row.chat)}`}</b>
                      <time>{brief(Date.parse(message.createdAt))}</time>
                    </span>
                    <small dir="auto">{contentLine(message.content)}</small>
                  </span>
                </button>
              )
            );
          })
        )}
      </div>
    </div>
  );
}
