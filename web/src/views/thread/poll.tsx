import * as actions from "../../engine/actions";
import { me, people } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { Row } from "../../store/schema";
import type { Content } from "../../sync/wire";

export function Poll({ row, poll }: { row: Row; poll: Extract<Content, { kind: "poll" }> }) {
  void people.value;
  const votes = row.message.votes ?? [];
  const count = (id: string) => votes.find((vote) => vote.optionId === id)?.count ?? 0;
  const mine = votes.filter((vote) => vote.mine).map((vote) => vote.optionId);
  const most = Math.max(1, ...poll.options.map((option) => count(option.id)));
  const total = votes.reduce((sum, vote) => sum + vote.count, 0);
  const choose = (id: string) => {
    const rest = mine.filter((one) => one !== id);
    const chosen = mine.includes(id) ? rest : poll.multiple ? [...rest, id] : [id];
    void actions.vote(row, chosen);
  };
  return (
    <fieldset class="poll" disabled={row.state !== "stored" || !me.value}>
      <legend dir="auto">{poll.question}</legend>
      <small>{poll.multiple ? t("chooseMany") : t("chooseOne")}</small>
      {poll.options.map((option) => (
        <label key={option.id}>
          <input
            type={poll.multiple ? "checkbox" : "radio"}
            name={row.id}
            checked={mine.includes(option.id)}
            onClick={() => choose(option.id)}
          />
          <span class="poll-text">
            <span dir="auto">{option.text}</span>
            <span>{count(option.id)}</span>
          </span>
          <meter min={0} max={most} value={count(option.id)} aria-hidden="true" />
        </label>
      ))}
      <small>{t("votes", { n: total })}</small>
    </fieldset>
  );
}
