// How it goes now: figures, what needs a person, and the last hours as charts.

import { chart } from "../chart.js";
import { h } from "../dom.js";
import { compact, number, percent, span, when } from "../format.js";
import { icon } from "../icons.js";
import { kept } from "../page.js";
import { bar, card, chips, head, table, tag } from "../parts.js";
import { to } from "../router.js";
import { read } from "../wire.js";

export const title = "Overview";
const SPANS = [["1", "Hour"], ["24", "Day"], ["168", "Week"]];
const HOUR_MS = 3_600_000;
const DEPTH_MIN = 20; // a bar that is full says "much"

// Where to look for each kind of want.
function link({ kind, target }) {
  if (kind === "jobs") return to("jobs", "", { type: target });
  if (kind === "effects") return to("jobs", "", { status: "pending" });
  return to({ gates: "queues", failovers: "daemons" }[kind] ?? kind);
}

export function show(page) {
  let hours = page.query.get("hours");
  const top = () => head({ title, about: "Whether work gets done, how fast, and what needs you.", deeds: [chips("Time", SPANS.map(([key, text]) => ({ text, href: to("overview", "", { hours: key }), isHere: key === (hours ?? "24") })))] });
  kept(page, {
    fetch: async (signal) => {
      if (hours) return read("/api/overview", { hours }, signal);
      const day = await read("/api/overview", { hours: "24" }, signal);
      hours = isYoung(day) ? "1" : "24";
      return hours === "24" ? day : read("/api/overview", { hours }, signal);
    },
    before: top,
    draw: (data) => [top(), figures(data.now), attention(data.attention), charts(data), queues(data.now)],
    every: 10,
    hears: () => true,
  });
}

// Of an installation that began within the hour, a day's charts would be empty.
function isYoung({ series, now }) {
  const since = new Date(now.at) - HOUR_MS;
  return series.every((one) => new Date(one.at) >= since - HOUR_MS / 4 || !(one.completed || one.failed || one.cancelled));
}

function figures(now) {
  const counts = now.counts;
  const figure = (name, value, under, href, tone = "") => h("a", { href, "data-key": name }, h("div", { class: "name" }, name), h("div", { class: `value ${tone}` }, typeof value === "string" ? value : compact(value)), h("div", { class: "under" }, under));
  const waits = counts.pending + counts.scheduled;
  return h(
    "div",
    { class: "figures", role: "group", "aria-label": "Now" },
    figure("Running", now.running, "jobs at this moment", to("jobs", "", { status: "processing" })),
    figure("Waiting", waits, !waits ? "no job waits" : counts.scheduled ? `${compact(counts.scheduled)} of them for later` : "all of them due", to("jobs", "", { status: "pending" })),
    figure("Oldest due", now.oldestDueSeconds ? span(now.oldestDueSeconds) : "–", now.oldestDueSeconds ? "waits for its turn" : "nothing is due", to("jobs", "", { status: "pending" })),
    figure("Completed", now.completedDay, "in 24 hours", to("jobs", "", { status: "completed" })),
    figure("Failed", now.failedDay, "in 24 hours, failed or dead", to("dead"), now.failedDay ? "bad" : ""),
  );
}

function attention(list) {
  if (!list.length) return h("section", { class: "card calm", "aria-label": "What needs you" }, icon("done", 18), "Nothing needs you now.");
  return card("Needs you", { inside: false }, h("ul", { class: "wants" }, list.map(want)));
}

function want(one) {
  return h(
    "li",
    { "data-tone": one.severity === "bad" ? "bad" : "warn", "data-key": `${one.kind}-${one.text}` },
    h("span", { class: "sign" }, icon("dead", 15)),
    h("div", { class: "words" }, h("a", { href: link(one) }, one.text), one.nextStep && h("div", { class: "small soft" }, one.nextStep)),
    h("span", { class: "go", "aria-hidden": "true" }, "→"),
  );
}

function charts({ series, stepSeconds }) {
  const times = series.map((one) => one.at);
  const per = stepSeconds >= 3600 ? "an hour" : stepSeconds >= 60 ? `in ${span(stepSeconds)}` : "a second";
  const of = (name) => series.map((one) => one[name] ?? null);
  const one = (label, note, given) => card(label, { note, inside: false }, chart({ times, label, ...given }));
  return h(
    "div",
    { class: "charts" },
    one("Throughput", `jobs ended, ${per}`, { kind: "columns", format: compact, series: [{ name: "completed", tone: "accent", values: of("completed") }, { name: "failed or dead", tone: "bad", values: of("failed") }, { name: "cancelled", tone: "faint", values: of("cancelled") }] }),
    one("Wait", "from due to start", { kind: "line", steps: "seconds", format: span, series: [{ name: "half of the jobs (p50)", tone: "accent", values: of("waitP50Seconds") }, { name: "95 of 100 (p95)", tone: "violet", values: of("waitP95Seconds") }] }),
    one("Run time", "from start to end", { kind: "line", steps: "seconds", format: span, series: [{ name: "half of the jobs (p50)", tone: "accent", values: of("runP50Seconds") }, { name: "95 of 100 (p95)", tone: "violet", values: of("runP95Seconds") }] }),
    one("Queue depth", "jobs that wait or run", { kind: "line", format: compact, series: [{ name: "depth", tone: "accent", values: of("depth") }] }),
  );
}

function queues(now) {
  if (!now.queues.length) return null;
  const most = Math.max(DEPTH_MIN, ...now.queues.map((one) => one.due + one.running));
  return card(
    "Queues",
    { deeds: h("a", { class: "small", href: to("queues") }, "Pause, resize"), inside: false },
    table("Queues", [
      { label: "Queue", kind: "lead", cell: (one) => h("span", {}, h("a", { class: "whole", href: to("jobs", "", { queue: one.name }) }, one.name), one.isPaused && [" ", tag("paused", "warn")]) },
      { label: "Depth", kind: "wide depth", cell: (one) => bar(percent(one.due + one.running, most), one.isPaused ? "warn" : "", `Depth of ${one.name}`) },
      { label: "Running", kind: "right", cell: (one) => h("span", { class: "number" }, number(one.running)) },
      { label: "Due", kind: "right", cell: (one) => h("span", { class: "number" }, number(one.due)) },
      { label: "Later", kind: "right spare", cell: (one) => h("span", { class: "number" }, number(one.scheduled)) },
      { label: "Oldest due", kind: "right", cell: (one) => (one.due ? when(one.oldestDueAt) : h("span", { class: "faint" }, "–")) },
    ], now.queues, { key: (one) => one.name, leads: true }),
  );
}
