// What operators did: who, what, to what, and how it went.

import { h } from "../dom.js";
import { tail, when } from "../format.js";
import { kept } from "../page.js";
import { badge, head, more, nothing, search, table } from "../parts.js";
import { refine, to } from "../router.js";
import { read } from "../wire.js";

export const title = "Audit";
const ABOUT = "What operators and keys did. An action is noted before it is done, so one that was cut off stands here, too.";

export function show(page) {
  const filter = Object.fromEntries(["action", "actor", "target"].map((name) => [name, page.query.get(name) ?? ""]));
  let pages = 1;
  const top = () => [head({ title, about: ABOUT }), h("div", { class: "filters", "data-key": "filters" }, search(filter.action, "Action: jobs.cancel, or jobs", (action) => refine({ action })), Object.entries(filter).filter(([name, value]) => name !== "action" && value).map(([name, value]) => h("span", { class: "tag" }, `${name}: ${value} `, h("a", { href: to("audit", "", { ...filter, [name]: "" }), "aria-label": `Without ${name}` }, "×"))))];
  const again = kept(page, {
    fetch: (signal) => listed(filter, pages, signal),
    before: top,
    draw: ({ actions, hasMore }) => [
      top(),
      h(
        "section",
        { class: "card", "aria-label": "Actions" },
        actions.length ? table("Actions, newest first", columns(filter), actions, { key: (one) => one.id }) : nothing("Nothing was done", "Whatever is changed here or in the command line is noted.", { sign: "audit" }),
        more(actions.length, "action", { hasMore, on: () => ((pages += 1), again()) }),
      ),
    ],
    every: 15,
  });
}

async function listed(filter, pages, signal) {
  const actions = [];
  let told = {};
  for (let at = 0; at < pages; at += 1) {
    told = await read("/api/audit", { ...filter, limit: 50, before: actions.at(-1)?.id }, signal);
    actions.push(...told.actions);
    if (!told.hasMore) break;
  }
  return { actions, hasMore: told.hasMore };
}

function columns(filter) {
  return [
    { label: "Action", kind: "lead", cell: (one) => h("div", { class: "lead-words" }, h("span", { class: "strong" }, one.action), details(one.details)) },
    { label: "By", kind: "two", cell: (one) => h("a", { class: "nowrap", href: to("audit", "", { ...filter, actor: one.actor }) }, one.actor) },
    { label: "Target", cell: (one) => target(one) },
    { label: "Workspace", kind: "spare", cell: (one) => one.workspaceId && tail(one.workspaceId) },
    { label: "How it went", kind: "two", cell: (one) => outcome(one) },
    { label: "At", kind: "right", cell: (one) => when(one.at) },
  ];
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function target({ action, target: name }) {
  if (!name) return null;
  if (!UUID.test(name)) return h("span", { class: "mono" }, name);
  return action.startsWith("jobs.") ? h("a", { href: to("job", name) }, tail(name)) : tail(name);
}

function details(given) {
  const entries = Object.entries(given ?? {});
  return entries.length > 0 && h("span", { class: "under lines-2" }, entries.map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join(" · "));
}

function outcome(one) {
  if (!one.outcome) return badge("pending", one.endedAt ? "unknown" : "begun");
  return badge(one.outcome === "done" ? "ok" : "failed", one.outcome);
}
