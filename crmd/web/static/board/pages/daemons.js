// Daemons and the leases that they hold.

import { h } from "../dom.js";
import { between, number, plural, span, tail, when } from "../format.js";
import { kept } from "../page.js";
import { badge, card, copyable, facts, head, nothing, table, tag } from "../parts.js";
import { to } from "../router.js";
import { read } from "../wire.js";

export const title = "Daemons";
const ABOUT = "The processes that do the work. A lease lives as long as its daemon renews; otherwise another takes its jobs over.";

export function show(page) {
  kept(page, {
    fetch: (signal) => read("/api/daemons", {}, signal),
    before: () => head({ title, about: ABOUT }),
    draw: ({ daemons }) => {
      const [alive, gone] = [daemons.filter((one) => one.isAlive), daemons.filter((one) => !one.isAlive)];
      return [
        head({ title, about: ABOUT }),
        alive.length ? alive.map(daemon) : h("section", { class: "card" }, nothing("No daemon runs", "Jobs wait until one is started: systemctl start crmd, or crmd run.", { sign: "daemons" })),
        gone.length > 0 && card("Gone", { note: plural(gone.length, "daemon"), inside: false }, table("Gone daemons", [
          { label: "Host", kind: "lead", cell: (one) => h("span", { class: "strong" }, one.host) },
          { label: "Process", kind: "right spare", cell: (one) => h("span", { class: "number" }, String(one.pid)) },
          { label: "Version", cell: (one) => one.version },
          { label: "Started", kind: "right", cell: (one) => when(one.startedAt) },
          { label: "Last beat", kind: "right", cell: (one) => when(one.beatAt) },
        ], gone, { key: (one) => one.id })),
      ];
    },
    every: 5,
  });
}

function daemon(one) {
  return h(
    "section",
    { class: "card", "data-key": one.id, "aria-label": `Daemon on ${one.host}` },
    h("header", {}, h("h2", {}, one.host, " ", h("span", { class: "faint number" }, `process ${one.pid}`)), one.isDraining ? badge("draining") : badge("alive")),
    h("div", { class: "inside" }, facts([
      ["Version", one.version],
      ["Up for", h("span", { class: "number" }, span(between(one.startedAt)))],
      ["Last beat", when(one.beatAt)],
      ["Lease until", when(one.leaseUntil)],
      ["Running", h("span", { class: "number" }, number(one.running))],
      ["Queues", h("span", { class: "pieces" }, one.queues.map((queue) => tag(queue)))],
      ["Id", h("span", { class: "nowrap" }, copyable(one.id, "Copy the id", `…${one.id.slice(-8)}`))],
    ], { isWide: true })),
    one.leases.length > 0 && table("Leases", [
      { label: "Job", kind: "lead", cell: (lease) => h("span", {}, h("a", { class: "whole", href: to("job", lease.id) }, lease.type), " ", tail(lease.id)) },
      { label: "Queue", cell: (lease) => lease.queue },
      { label: "Attempt", kind: "right", cell: (lease) => h("span", { class: "number" }, number(lease.attempt)) },
      { label: "For", kind: "right", cell: (lease) => h("span", { class: "number" }, span(lease.seconds)) },
    ], one.leases, { key: (lease) => lease.id, leads: true }),
  );
}
