import "../../style/panels.css";
import { useEffect } from "preact/hooks";
import * as actions from "../../engine/actions";
import { chats } from "../../engine/state";
import { t } from "../../i18n/i18n";
import { Unanswered, useAnswer } from "../answer";
import { brief, contentLine, nameOf, titleOf } from "../format";
import { PanelHead } from "../panel";
import { Empty } from "../parts";
import { back, openMessage } from "../route";

export function Starred() {
  const { held: found, code } = useAnswer(actions.starred);
  useEffect(() => {
    if (found.value) void actions.meet(found.value.map((item) => item.senderId ?? ""));
  }, [found.value]);
  return (
    <div class="panel">
      <PanelHead title={t("starredMessages")} onBack={() => back("/")} />
      <div class="panel-body">
        {found.value === null ? (
          <Unanswered code={code.value} />
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
