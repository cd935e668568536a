import "./style/base.css";
import "./style/parts.css";
import "./style/list.css";
import "./style/thread.css";
import { render } from "preact";
import { start } from "./engine/here";
import { App } from "./views/app";
import { applyLook } from "./views/look";
import { registerWorker } from "./worker/register";

await Promise.all([applyLook(), start()]);
render(<App />, document.getElementById("app")!);
registerWorker();
