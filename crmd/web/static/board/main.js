// The dashboard: the way in, the frame, and which page stands in it.

import { h, renew } from "./dom.js";
import { door } from "./door.js";
import { keepTime } from "./format.js";
import { frame } from "./frame.js";
import { trouble } from "./parts.js";
import { place } from "./router.js";
import { close, open } from "./stream.js";
import { applyTheme } from "./theme.js";
import { session } from "./wire.js";

const PAGES = {
  overview: () => import("./pages/overview.js"),
  jobs: () => import("./pages/jobs.js"),
  job: () => import("./pages/job.js"),
  dead: () => import("./pages/dead.js"),
  schedules: () => import("./pages/schedules.js"),
  queues: () => import("./pages/queues.js"),
  connections: () => import("./pages/connections.js"),
  plugins: () => import("./pages/plugins.js"),
  daemons: () => import("./pages/daemons.js"),
  events: () => import("./pages/events.js"),
  audit: () => import("./pages/audit.js"),
  keys: () => import("./pages/keys.js"),
};
let leave = null;

/** Show the page that the address names. */
async function show() {
  leave?.abort();
  if (!session.key) return;
  const control = new AbortController();
  leave = control;
  const here = place();
  const name = PAGES[here.name] ? here.name : "overview";
  const root = h("main", { id: "page", tabindex: "-1", "data-place": location.hash });
  frame(document.getElementById("frame"), name, root);
  window.scrollTo(0, 0);
  try {
    const page = await PAGES[name]();
    if (control.signal.aborted) return;
    document.title = `${page.title} · crmd`;
    page.show({ root, signal: control.signal, ...here });
    if (document.activeElement === document.body) root.focus({ preventScroll: true });
  } catch (error) {
    renew(root, trouble(error, () => location.reload()));
    throw error;
  }
}

/** Ask for a key, then show the page. */
function begin(reason = "") {
  close();
  leave?.abort();
  if (!session.key) {
    door(document.getElementById("frame"), reason, begin);
    return;
  }
  open();
  show();
}

// An address after # names a page of the dashboard, so the link that skips the navigation only moves the focus.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("page")?.focus();
});
applyTheme();
keepTime();
session.whenEnded(begin);
window.addEventListener("hashchange", show);
begin();
