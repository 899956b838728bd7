// Plugins: what they declare, how they are, how they were graded.

import { h } from "../dom.js";
import { number, plural, span, when } from "../format.js";
import { kept } from "../page.js";
import { badge, card, head, nothing, tag } from "../parts.js";
import { to } from "../router.js";
import { read } from "../wire.js";

export const title = "Plugins";
const ABOUT = "What is loaded, what each can do, and what its jobs did to the daemons in the last days.";

export function show(page) {
  kept(page, {
    fetch: (signal) => read("/api/plugins", {}, signal),
    before: () => head({ title, about: ABOUT }),
    draw: ({ plugins }) => [
      head({ title, about: ABOUT }),
      plugins.length
        ? h("div", { class: "grid-2" }, plugins.map(plugin))
        : h("section", { class: "card" }, nothing("No plugins", "Name them in crmd.toml: [plugins] enabled = [\"gmail\"]. Write one with: crmd plugin new NAME.", { sign: "plugins" })),
    ],
    every: 30,
  });
}

function plugin(one) {
  const health = one.quarantine ?? null;
  return card(
    one.name,
    { note: h("span", {}, one.grade && [tag(one.grade, "accent"), " "], one.version ?? one.distribution) , deeds: state(one) },
    one.reason && h("p", { class: one.state === "off" ? "soft" : "bad" }, sentence(one.reason)),
    health && h("p", { class: "bad" }, `Quarantined: ${health.reason}.`, health.probeAt && [" A job tries again ", when(health.probeAt), "."]),
    checks(one.health ?? one.checks ?? []),
    (one.state ?? "loaded") === "loaded" && troubles(one.blame ?? one.trouble),
    jobTypes(one.jobTypes ?? []),
  );
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

function state(one) {
  if (one.quarantine) return badge("quarantined");
  return { loaded: badge("ok", "loaded"), broken: badge("broken"), off: badge("cancelled", "off") }[one.state] ?? badge(one.state ?? "ok");
}

function checks(health) {
  const rows = Array.isArray(health) ? health : [health];
  const shown = rows.filter((check) => check && typeof check === "object");
  return shown.length > 0 && h("ul", { class: "checks" }, shown.map((check) => h("li", {}, badge(check.isOk ?? check.ok ?? check.status === "ok" ? "ok" : "failed", check.name ?? "health"), " ", h("span", { class: "soft small" }, check.text ?? check.message ?? check.detail ?? ""))));
}

function troubles(blame) {
  if (!blame) return h("p", { class: "soft" }, "Its jobs have harmed nobody.");
  const said = [
    blame.crashes > 0 && plural(blame.crashes, "crash", "crashes"),
    blame.stalls > 0 && `${plural(blame.stalls, "stall")} of the loop, up to ${span(blame.stallSeconds)}`,
    blame.abandoned > 0 && `${plural(blame.abandoned, "job")} that could not be stopped`,
    blame.memoryMib > 0 && `${number(blame.memoryMib)} MiB at most`,
  ].filter(Boolean);
  return h("p", { class: said.length ? "warn" : "soft" }, said.length ? `In 7 days: ${said.join(", ")}.` : "Its jobs have harmed nobody.");
}

function jobTypes(types) {
  const names = types.map((type) => (typeof type === "string" ? type : type.name));
  return names.length > 0 && h("p", { class: "pieces types" }, names.map((name) => h("a", { class: "tag", href: to("jobs", "", { type: name }) }, name)));
}
