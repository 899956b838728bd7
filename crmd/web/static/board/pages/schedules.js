// Schedules with their next ticks; paused, resumed, backfilled.

import { asking } from "../asking.js";
import { h } from "../dom.js";
import { atClock, onDay, plural, tail, when } from "../format.js";
import { kept } from "../page.js";
import { badge, button, head, more, nothing, search, table } from "../parts.js";
import { refine, to } from "../router.js";
import { read, send } from "../wire.js";

export const title = "Schedules";
const ABOUT = "What starts by itself, and when next. Times in your time zone; a schedule's own zone stands beside it.";

export function show(page) {
  const q = page.query.get("q") ?? "";
  let pages = 1;
  const top = () => [head({ title, about: ABOUT }), h("div", { class: "filters", "data-key": "filters" }, search(q, "Name or job type", (text) => refine({ q: text })))];
  const again = kept(page, {
    fetch: (signal) => listed(pages, signal),
    before: top,
    draw: ({ schedules, hasMore }) => {
      const shown = schedules.filter((one) => `${one.id} ${one.type}`.toLowerCase().includes(q.toLowerCase()));
      return [
        top(),
        h(
          "section",
          { class: "card", "aria-label": "Schedules" },
          shown.length
            ? table("Schedules", columns(again), shown, { key: (one) => one.id })
            : nothing(q ? "No schedule fits" : "No schedules", q ? "Try part of its name or of its job type." : "A plugin declares them, or: crmd schedules add.", { sign: "schedules" }),
          more(shown.length, "schedule", { hasMore, on: () => ((pages += 1), again()) }),
        ),
      ];
    },
    every: 20,
  });
}

async function listed(pages, signal) {
  const schedules = [];
  let told = {};
  for (let at = 0; at < pages; at += 1) {
    told = await read("/api/schedules", { limit: 100, after: schedules.at(-1)?.id }, signal);
    schedules.push(...told.schedules);
    if (!told.hasMore) break;
  }
  return { schedules, hasMore: told.hasMore };
}

function columns(again) {
  return [
    { label: "Schedule", kind: "lead", cell: (one) => h("div", { class: "lead-words" }, h("span", { class: "strong" }, one.name), h("span", { class: "under" }, h("a", { href: to("jobs", "", { type: one.type }) }, one.type), one.workspaceId && [" · workspace ", tail(one.workspaceId)])) },
    { label: "When", cell: (one) => h("div", { class: "lead-words" }, h("code", { class: "nowrap" }, one.expression), h("span", { class: "under nowrap" }, one.timezone)) },
    { label: "State", cell: (one) => state(one) },
    { label: "Next", kind: "wide", cell: (one) => (one.isPaused || one.isDone ? h("span", { class: "faint" }, "–") : h("div", { class: "lead-words" }, h("span", {}, when(one.nextTicks[0]), h("span", { class: "soft" }, ` · ${instant(one.nextTicks[0])}`)), one.nextTicks.length > 1 && h("span", { class: "under" }, `then ${one.nextTicks.slice(1, 3).map(instant).join(", ")}`))) },
    { label: "Last", kind: "right", cell: (one) => (one.lastJobId ? h("a", { href: to("job", one.lastJobId) }, when(one.lastFiredAt)) : when(one.lastFiredAt, "never")) },
    { label: "", kind: "right last wide", cell: (one) => h("div", { class: "deeds" }, button("Backfill…", () => backfill(one, again), { tone: "small bare", label: `Backfill ${one.id}` }), pausing(one, again)) },
  ];
}

const instant = (tick) => `${onDay(tick)}, ${atClock(tick)}`;

function state(one) {
  if (one.error) return h("span", { class: "bad" }, badge("failed", "broken"), h("span", { class: "under bad lines-2" }, one.error));
  if (one.isDone) return badge("cancelled", "done");
  if (one.isPaused) return badge("paused");
  return h("div", { class: "lead-words" }, badge("active"), one.lastReason && h("span", { class: "under" }, `last tick: ${one.lastReason}`));
}

const at = (one, verb) => `/api/schedules/${encodeURIComponent(one.id)}/${verb}`;

function pausing(one, again) {
  if (one.isDone) return null;
  const name = one.id;
  if (one.isPaused) {
    const resume = () =>
      asking({
        title: `Resume ${name}?`,
        yes: "Resume",
        fields: [{ name: "isMadeUp", label: "Make up for the ticks of the pause", kind: "tick", value: false, hint: "As its rule for missed ticks says." }],
        act: ({ isMadeUp }) => send(at(one, "resume"), isMadeUp ? { isMadeUp } : {}),
        done: `${name} goes on.`,
      }).then(again);
    return button("Resume…", resume, { tone: "small", sign: "play", label: `Resume ${name}` });
  }
  const pause = () =>
    asking({
      title: `Pause ${name}?`,
      text: "It makes no more jobs until it is resumed. Those that are made already run.",
      yes: "Pause",
      isDanger: true,
      fields: [{ name: "reason", label: "Reason" }],
      act: ({ reason }) => send(at(one, "pause"), reason ? { reason } : {}),
      done: `${name} rests.`,
    }).then(again);
  return button("Pause…", pause, { tone: "small", sign: "pause", label: `Pause ${name}` });
}

function backfill(one, again) {
  const body = (values, dryRun) => ({ from: values.from, to: values.to, dryRun });
  const count = (told) => told.ticks.filter((tick) => tick.answer !== "fired_already").length;
  return asking({
    title: `Backfill ${one.id}`,
    text: "Ticks of a time that is over are fired now; those that have fired already are left out.",
    yes: "Fire them",
    fields: [
      { name: "from", label: "From", kind: "when", needed: true },
      { name: "to", label: "To", kind: "when", needed: true },
    ],
    look: async (values) => (values.from && values.to ? `${plural(count(await send(at(one, "backfill"), body(values, true))), "tick")} would fire.` : ""),
    act: (values) => send(at(one, "backfill"), body(values, false)),
    done: (told) => `${plural(count(told), "tick")} fired.`,
  }).then(again);
}
