/** Which picture is looked at; the viewer itself is loaded when first needed. */

import { h, render } from "preact";
import { say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { Row } from "../../store/schema";

export function openViewer(row: Row): void {
  import("./viewer").then(
    ({ Viewer }) => {
      const root = document.createElement("div");
      document.body.append(root);
      const close = () => {
        render(null, root);
        root.remove();
      };
      render(h(Viewer, { row, onClose: close }), root);
    },
    () => say(t("error_unreachable")),
  );
}
