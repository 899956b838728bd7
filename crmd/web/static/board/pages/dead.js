// Dead letters, grouped by cause, and set going again at a rate.

import { asking } from "../asking.js";
import { h } from "../dom.js";
import { number, plural, span, tail, when } from "../format.js";
import { kept } from "../page.js";
import { badge, button, card, head, more, nothing, table, tag } from "../parts.js";
import { to } from "../router.js";
import { read, send } from "../wire.js";

export const title = "Dead letters";

export function show(page) {
  if (page.id) showCause(page);
  else showCauses(page);
}

function showCauses(page) {
  const again = kept(page, {
    fetch: (signal) => read("/api/dead", {}, signal),
    before: () => head({ title, about: ABOUT }),
    draw: (data) => {
      const sum = data.causes.reduce((all, one) => all + one.jobs, 0);
      return [
        head({ title, about: ABOUT, deeds: sum ? [button("Redrive all…", () => redrive(null, "every cause", again), { sign: "retry" })] : [] }),
        h(
          "section",
          { class: "card", "aria-label": "Causes" },
          data.causes.length
            ? table("Causes, most frequent first", columns(again), data.causes, { key: (one) => one.cause, leads: true })
            : nothing("No dead letters", "Every job that ended in the last 30 days came through, or was redriven.", { sign: "done" }),
        ),
      ];
    },
    every: 15,
    hears: (job) => job.status === "dead" || job.status === "failed",
  });
}

const ABOUT = "Jobs that used up their attempts or can never succeed, grouped by why. A redrive makes a new job of each; the old one stays.";

function columns(again) {
  return [
    { label: "Cause", kind: "lead", cell: (one) => h("div", { class: "lead-words" }, h("a", { class: "whole lines-2", href: to("dead", one.cause) }, one.newestMessage || one.gist || "no message"), h("span", { class: "under" }, h("span", { class: "strong" }, one.type), one.class && ` · ${one.class}`)) },
    { label: "Jobs", kind: "right", cell: (one) => h("span", { class: "number strong" }, number(one.jobs)) },
    { label: "Workspaces", kind: "right", cell: (one) => h("span", { class: "number" }, number(one.workspaces)) },
    { label: "First", kind: "right spare", cell: (one) => when(one.firstAt) },
    { label: "Latest", kind: "right", cell: (one) => when(one.lastAt) },
    { label: "", kind: "right last wide", cell: (one) => h("div", { class: "deeds" }, button("Redrive…", () => redrive(one.cause, one.type, again), { tone: "small", label: `Redrive ${one.type}` })) },
  ];
}

function showCause(page) {
  const trail = ["Dead letters", to("dead")];
  let pages = 1;
  const again = kept(page, {
    fetch: (signal) => lettersOf(page.id, pages, signal),
    before: () => head({ title: "Dead letters of one cause", trail }),
    draw: ({ letters, hasMore }) => [
      head({
        title: letters[0]?.type ?? "Dead letters of one cause",
        trail,
        about: letters[0]?.message,
        deeds: letters.length ? [button("Redrive these…", () => redrive(page.id, letters[0].type, again), { tone: "primary", sign: "retry" })] : [],
      }),
      h(
        "section",
        { class: "card", "aria-label": "Letters" },
        letters.length
          ? table("Letters", columnsBelow(letters[0].message), letters, { key: (one) => one.id, leads: true })
          : nothing("None of these is left", "They were redriven, or retention let them go.", { deeds: [h("a", { class: "button", href: to("dead") }, "All causes")] }),
        more(letters.length, "letter", { hasMore, on: () => ((pages += 1), again()) }),
      ),
    ],
    every: 20,
  });
}

async function lettersOf(cause, pages, signal) {
  const letters = [];
  let told = {};
  for (let at = 0; at < pages; at += 1) {
    told = await read(`/api/dead/${encodeURIComponent(cause)}`, { limit: 50, after: letters.at(-1)?.id }, signal);
    letters.push(...told.letters);
    if (!told.hasMore) break;
  }
  return { letters, hasMore: told.hasMore };
}

// What the head says already is not said again in each row.
const columnsBelow = (said) => [
  { label: "Job", kind: "lead", cell: (one) => h("div", { class: "lead-words" }, h("span", {}, h("a", { class: "whole", href: to("job", one.id) }, one.type), " ", tail(one.id)), one.message !== said && h("span", { class: "under bad lines-2" }, one.message)) },
  { label: "Status", cell: (one) => badge(one.status) },
  { label: "Attempts", kind: "right spare", cell: (one) => h("span", { class: "number" }, number(one.attempt)) },
  { label: "Workspace", cell: (one) => tail(one.workspaceId) },
  { label: "Ended", kind: "right", cell: (one) => when(one.finishedAt) },
];

/** Ask how fast, count, then set them going. */
function redrive(cause, described, again) {
  const body = (values, dryRun) => ({
    ...(cause ? { cause } : { all: true }),
    dryRun,
    ...(values.perSecond ? { perSecond: values.perSecond } : {}),
    ...(Object.keys(values.patch ?? {}).length ? { patch: values.patch } : {}),
  });
  return asking({
    title: `Redrive dead letters of ${described}?`,
    text: "A new job is made of each; the rate spreads when they are due, so that what failed is not flooded.",
    yes: "Redrive",
    fields: [
      { name: "perSecond", label: "At most so many a second", kind: "number", value: 5, min: 0.01, max: 1000, hint: "Empty: all at once." },
      { name: "patch", label: "Change fields of each payload", kind: "json", rows: 3, value: {}, hint: "Null takes a field away. Every payload is checked before the first job is made." },
    ],
    look: async (values) => {
      const told = await send("/api/dead/redrive", body(values, true));
      const jobs = told.redriven;
      return `${plural(jobs, "letter")} would run again${values.perSecond && jobs ? `, over about ${span(Math.ceil(jobs / values.perSecond))}` : ""}.`;
    },
    act: (values) => send("/api/dead/redrive", body(values, false)),
    done: (told) => `${plural(told.redriven, "letter")} redriven.${told.hasMore ? " There are more: do it again." : ""}`,
  }).then(again);
}
