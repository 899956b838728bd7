// Accounts at providers, and how fresh what came from them is.

import { h } from "../dom.js";
import { number, tail, when } from "../format.js";
import { kept } from "../page.js";
import { badge, chips, head, nothing, search, table } from "../parts.js";
import { refine, to } from "../router.js";
import { read } from "../wire.js";

export const title = "Connections";
const ABOUT = "Accounts at providers: whether they work, and how fresh what came from them is.";
const STATES = { active: "active", throttled: "throttled", needs_reauth: "needs a new consent", disabled: "disabled" };

export function show(page) {
  const q = page.query.get("q") ?? "";
  const wanted = page.query.get("state") ?? "";
  const top = (all) => [
    head({ title, about: ABOUT }),
    chips("State", [["", "All"], ...Object.entries(STATES)].map(([state, text]) => ({ text: text[0].toUpperCase() + text.slice(1), href: to("connections", "", { q, state }), isHere: state === wanted, count: all?.filter((one) => !state || one.state === state).length }))),
    h("div", { class: "filters", "data-key": "filters" }, search(q, "Account or provider", (text) => refine({ q: text }))),
  ];
  kept(page, {
    fetch: (signal) => read("/api/connections", {}, signal),
    before: () => top(),
    draw: ({ connections }) => {
      const shown = connections.toSorted((a, b) => urgency(a) - urgency(b)).filter((one) => (!wanted || one.state === wanted) && `${one.account} ${one.provider} ${one.workspaceId}`.toLowerCase().includes(q.toLowerCase()));
      return [top(connections), h("section", { class: "card", "aria-label": "Connections" }, shown.length ? table("Connections", COLUMNS, shown, { key: (one) => one.id }) : empty(q || wanted))];
    },
    every: 20,
  });
}

// What needs somebody stands first.
const URGENT = ["needs_reauth", "throttled", "active", "disabled"];
const urgency = (one) => URGENT.indexOf(one.state);

function empty(isNarrow) {
  if (isNarrow) return nothing("No connection fits", "Nothing is like that now.", { sign: "search", deeds: [h("a", { class: "button", href: to("connections") }, "Show all connections")] });
  return nothing("No connections yet", "Connect an account where the daemon runs: crmd connections add PROVIDER.", { sign: "connections" });
}

const COLUMNS = [
  { label: "Account", kind: "lead", cell: (one) => h("div", { class: "lead-words" }, h("span", { class: "strong" }, one.account ?? "unnamed"), h("span", { class: "under" }, one.provider)) },
  { label: "State", kind: "wide", cell: (one) => h("div", { class: "lead-words" }, badge(one.state, STATES[one.state] ?? one.state), one.lastError && h("span", { class: "under lines-2" }, one.lastError)) },
  { label: "Fresh", cell: (one) => freshness(one) },
  { label: "Synced", kind: "right", cell: (one) => when(one.lastSyncedAt, "never") },
  { label: "Items", kind: "right", cell: (one) => h("span", { class: "number" }, number(one.syncedItems)) },
  { label: "Workspace", kind: "right spare", cell: (one) => tail(one.workspaceId) },
];

// A day without a sync is stale.
function freshness(one) {
  if (one.state === "disabled") return null;
  if (!one.lastSyncedAt) return badge("pending", "not yet");
  const hours = (Date.now() - new Date(one.lastSyncedAt)) / 3_600_000;
  return hours < 2 ? badge("ok", "fresh") : hours < 24 ? badge("ok", "today") : badge("stale", "stale");
}
