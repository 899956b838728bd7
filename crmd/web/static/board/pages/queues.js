// Queues and limits as they stand; paused, resumed, resized.

import { asking } from "../asking.js";
import { h } from "../dom.js";
import { number, percent, span, when } from "../format.js";
import { kept } from "../page.js";
import { badge, bar, button, card, head, nothing, table } from "../parts.js";
import { to } from "../router.js";
import { read, send } from "../wire.js";

export const title = "Queues & limits";
const ABOUT = "How much room there is for each kind of work, and what slows it down.";

export function show(page) {
  const again = kept(page, {
    fetch: async (signal) => {
      const [queues, limits] = await Promise.all([read("/api/queues", {}, signal), read("/api/limits", {}, signal)]);
      return { ...queues, ...limits };
    },
    before: () => head({ title, about: ABOUT }),
    draw: (data) => [
      head({ title, about: ABOUT }),
      card("Queues", { inside: false }, data.queues.length ? table("Queues", queueColumns(again), data.queues, { key: (one) => one.name }) : nothing("No queues", "A daemon names the queues that it works for.", { sign: "queues" })),
      keys(data.keys.filter((one) => !one.key.startsWith("queue:"))),
      rates(data.rates),
    ],
    every: 5,
    hears: () => true,
  });
}

function queueColumns(again) {
  return [
    { label: "Queue", kind: "lead", cell: (one) => h("a", { class: "strong", href: to("jobs", "", { queue: one.name }) }, one.name) },
    { label: "State", cell: (one) => state(one) },
    { label: "Running", cell: (one) => room(one) },
    { label: "Due", kind: "right", cell: (one) => h("span", { class: "number" }, number(one.due)) },
    { label: "Oldest due", kind: "right", cell: (one) => (one.due ? when(one.oldestDueAt) : h("span", { class: "faint" }, "–")) },
    { label: "Later", kind: "right", cell: (one) => h("span", { class: "number" }, number(one.scheduled)) },
    { label: "Daemons", kind: "right", cell: (one) => h("span", { class: one.daemons ? "number" : "number bad" }, number(one.daemons)) },
    { label: "", kind: "right last wide", cell: (one) => h("div", { class: "deeds" }, button("Resize…", () => resize(one, again), { tone: "small bare", label: `Resize ${one.name}` }), pausing(one, again)) },
  ];
}

function state(one) {
  if (one.isPaused) return h("div", { class: "lead-words" }, badge("paused"), h("span", { class: "under" }, one.pauseReason, one.pausedUntil && [" until ", when(one.pausedUntil)]));
  if (!one.daemons) return badge("failed", "no daemon works for it");
  return badge("active", "open");
}

function room(one) {
  if (!one.slotsFleet) return h("span", { class: "number" }, number(one.running), one.slotsSet && h("span", { class: "faint" }, ` · ${one.slotsSet} a daemon`));
  return h("div", { class: "meter" }, h("div", { class: "words" }, `${number(one.running)} of ${number(one.slotsFleet)}`), bar(percent(one.running, one.slotsFleet), one.running >= one.slotsFleet ? "warn" : "", `Room of ${one.name}`));
}

const at = (one, verb) => `/api/queues/${encodeURIComponent(one.name)}/${verb}`;

function pausing(one, again) {
  const name = one.name;
  if (one.isPaused) {
    const resume = () => asking({ title: `Resume ${name}?`, text: "Its jobs start again, the most urgent first.", yes: "Resume", act: () => send(at(one, "resume")), done: `${name} goes on.` }).then(again);
    return button("Resume…", resume, { tone: "small primary", sign: "play", label: `Resume ${name}` });
  }
  const pause = () =>
    asking({
      title: `Pause ${name}?`,
      text: "No job of it starts, on any daemon, until it is resumed. What runs goes on.",
      yes: "Pause the queue",
      isDanger: true,
      fields: [{ name: "reason", label: "Reason", hint: "Everybody sees it beside the queue." }],
      act: ({ reason }) => send(at(one, "pause"), reason ? { reason } : {}),
      done: `${name} is paused.`,
    }).then(again);
  return button("Pause…", pause, { tone: "small", sign: "pause", label: `Pause ${name}` });
}

function resize(one, again) {
  return asking({
    title: `Resize ${one.name}`,
    text: "How many of its jobs run at a time. It holds at once and over restarts, until it is changed.",
    yes: "Resize",
    fields: [
      { name: "slots", label: "On each daemon", kind: "number", value: one.slotsSet, min: 1, max: 10_000, hint: "Empty: as the daemons are configured." },
      { name: "max", label: "On all daemons together", kind: "number", value: one.slotsFleetSet, min: 1, max: 100_000, hint: "Empty: no bound." },
    ],
    act: (values) => send(at(one, "resize"), values),
    done: `${one.name} is resized.`,
  }).then(again);
}

function keys(rows) {
  return card("Limits and gates", { note: "running jobs by key", inside: false }, rows.length
    ? table("Limits and gates", [
      { label: "Key", kind: "lead", cell: (one) => h("div", { class: "lead-words" }, h("span", { class: "mono" }, one.key), one.reason && h("span", { class: "under" }, one.reason)) },
      { label: "Gate", cell: (one) => (one.isClosed ? h("div", { class: "lead-words" }, badge("paused", "closed"), h("span", { class: "under" }, one.whyClosed, " · ", h("span", { class: "nowrap" }, "opens ", when(one.closedUntil, "by hand")))) : badge("active", "open")) },
      { label: "Running", cell: (one) => (one.max === null ? h("span", { class: "number" }, number(one.running)) : h("div", { class: "meter" }, h("div", { class: "words" }, full(one)), bar(percent(one.fullest ?? one.running, one.max), (one.fullest ?? one.running) >= one.max ? "warn" : "", `Room of ${one.key}`))) },
      { label: "Waiting", kind: "right", cell: (one) => h("span", { class: "number" }, number(one.waiting)) },
      { label: "Weight", kind: "right spare", cell: (one) => h("span", { class: "number" }, number(one.weight ?? 1)) },
    ], rows, { key: (one) => one.key })
    : nothing("No limits, and every gate is open", "A job type declares how many of its jobs run at a time; gates close when a provider asks for a pause.", { isSlim: true }));
}

const full = (one) => (one.fullest === null ? `${number(one.running)} of ${number(one.max)}` : `at most ${number(one.fullest)} of ${number(one.max)} each`);

function rates(rows) {
  return card("Rates", { note: "shared by all daemons", inside: false }, rows.length
    ? table("Rates", [
      { label: "Limit", kind: "lead", cell: (one) => h("span", { class: "mono" }, one.name) },
      { label: "Refills", kind: "right", cell: (one) => h("span", { class: "number" }, `${number(round(one.unitsPerSecondNow))} a second`) },
      { label: "There now", cell: (one) => h("div", { class: "meter" }, h("div", { class: "words" }, `${number(Math.max(0, Math.floor(one.unitsLeft)))} of ${number(one.burst)}`), bar(percent(Math.max(0, one.unitsLeft), one.burst), one.unitsLeft < one.burst * 0.1 ? "warn" : "", `Units of ${one.name}`)) },
      { label: "Slowed", kind: "right", cell: (one) => (one.slowedAt ? h("span", { class: "warn" }, `to ${Math.round(100 * one.pace)} % `, when(one.slowedAt)) : h("span", { class: "faint" }, "no")) },
    ], rows, { key: (one) => one.name })
    : nothing("No rates", "A plugin that calls a provider declares them; they appear with its first call.", { isSlim: true }));
}

const round = (value) => Math.round(value * 100) / 100;
