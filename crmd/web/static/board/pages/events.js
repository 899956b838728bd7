// Events as they happened, and what followed from each.

import { chain } from "../chain.js";
import { h } from "../dom.js";
import { plural, tail, when } from "../format.js";
import { kept } from "../page.js";
import { card, copyable, facts, head, json, more, nothing, search, table } from "../parts.js";
import { refine, to } from "../router.js";
import { read } from "../wire.js";

export const title = "Events";
const ABOUT = "What happened, newest first. An event never changes; what it set off stands in its chain.";

export function show(page) {
  if (page.id) showOne(page);
  else showAll(page);
}

function showAll(page) {
  const type = page.query.get("type") ?? "";
  const workspaceId = page.query.get("workspaceId") ?? "";
  let pages = 1;
  const top = () => [head({ title, about: ABOUT }), h("div", { class: "filters", "data-key": "filters" }, search(type, "Type: contact.created or contact.*", (text) => refine({ type: text })))];
  const again = kept(page, {
    fetch: (signal) => listed({ type, workspaceId }, pages, signal),
    before: top,
    draw: ({ events, hasMore }) => [
      top(),
      h(
        "section",
        { class: "card", "aria-label": "Events" },
        events.length ? table("Events, newest first", COLUMNS, events, { key: (one) => one.id, leads: true }) : empty(type),
        more(events.length, "event", { hasMore, on: () => ((pages += 1), again()) }),
      ),
    ],
    every: 10,
  });
}

async function listed(filter, pages, signal) {
  const events = [];
  let told = {};
  for (let at = 0; at < pages; at += 1) {
    told = await read("/api/events", { ...filter, limit: 50, before: events.at(-1)?.id }, signal);
    events.push(...told.events);
    if (!told.hasMore) break;
  }
  return { events, hasMore: told.hasMore };
}

function empty(type) {
  if (type) return nothing("No event fits", "A pattern like contact.* finds all that begin so.", { sign: "search", deeds: [h("a", { class: "button", href: to("events") }, "Show all events")] });
  return nothing("No events yet", "Plugins and your program emit them: SELECT crmd.emit('contact.created', …).", { sign: "events" });
}

const COLUMNS = [
  { label: "Event", kind: "lead", cell: (one) => h("span", {}, h("a", { class: "whole", href: to("events", one.id) }, one.type), " ", tail(one.id)) },
  { label: "About", cell: (one) => (one.aggregateType ? h("span", {}, one.aggregateType, " ", tail(one.aggregateId)) : null) },
  { label: "Data", kind: "wide below", cell: (one) => h("span", { class: "small soft lines-2 mono" }, gist(one.data)) },
  { label: "Workspace", kind: "spare", cell: (one) => tail(one.workspaceId) },
  { label: "At", kind: "right", cell: (one) => when(one.emittedAt) },
];

function gist(data) {
  const text = Object.entries(data ?? {}).map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}

function showOne(page) {
  const root = `/api/events/${encodeURIComponent(page.id)}`;
  const trail = ["Events", to("events")];
  kept(page, {
    fetch: async (signal) => {
      const [{ nodes }, event] = await Promise.all([read(`${root}/trace`, {}, signal), read(root, {}, signal)]);
      return { nodes, event };
    },
    before: () => head({ title: "Event", trail }),
    draw: ({ nodes, event }) => {
      return [
        head({ title: event.type, trail, about: h("span", {}, copyable(page.id, "Copy the id"), " ", when(event.emittedAt)) }),
        nodes.length > 0 && card("Chain of causes", { note: plural(nodes.length, "event or job", "events and jobs") }, chain(nodes, page.id)),
        card("Event", {}, facts([
          ["Version", event.version && String(event.version)],
          ["About", event.aggregateType && h("span", {}, `${event.aggregateType} `, tail(event.aggregateId))],
          ["Workspace", event.workspaceId && tail(event.workspaceId)],
          ["User", event.userId && tail(event.userId)],
          ["Emitted", when(event.emittedAt)],
        ], { isWide: true }), h("div", { class: "split" }, h("div", {}, h("h3", {}, "Data"), json(event.data, "Data")), h("div", {}, h("h3", {}, "Metadata"), json(event.metadata, "Metadata")))),
      ];
    },
    every: 15,
  });
}
