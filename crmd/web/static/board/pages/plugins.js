// Plugins: what they declare, how they are, what their jobs did.

import { asking } from "../asking.js";
import { h } from "../dom.js";
import { number, plural, span, when } from "../format.js";
import { kept } from "../page.js";
import { badge, button, card, head, nothing, tag } from "../parts.js";
import { to } from "../router.js";
import { read, send } from "../wire.js";

export const title = "Plugins";
const ABOUT = "What is loaded, how it is, what it can do, and what its jobs did to the daemons in the last days.";

export function show(page) {
  const again = kept(page, {
    fetch: (signal) => read("/api/plugins", {}, signal),
    before: () => head({ title, about: ABOUT }),
    draw: ({ plugins }) => draw(plugins.filter((one) => one.state !== "off"), plugins.filter((one) => one.state === "off"), again),
    every: 30,
  });
}

function draw(shown, off, again) {
  return [
    head({ title, about: ABOUT }),
    shown.length
      ? h("div", { class: "grid-2" }, shown.map((one) => plugin(one, again)))
      : h("section", { class: "card" }, nothing("No plugins", "Name them in crmd.toml: [plugins] enabled = [\"gmail\"]. Write one with: crmd plugin new NAME.", { sign: "plugins" })),
    off.length > 0 && card("Installed, not enabled", { note: "name them in crmd.toml: [plugins] enabled" }, h("p", { class: "pieces" }, off.map((one) => tag(one.name)))),
  ];
}

function plugin(one, again) {
  return card(
    one.name,
    { note: h("span", {}, one.distribution !== one.name && one.distribution), deeds: state(one) },
    one.reason && h("p", { class: "bad" }, sentence(one.reason)),
    one.quarantine && quarantine(one, again),
    checks(one.health),
    one.state === "loaded" && troubles(one.blame),
    one.requires.length > 0 && h("p", { class: "soft" }, `Needs ${one.requires.join(", ")}.`),
    jobTypes(one.jobTypes),
  );
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

function state(one) {
  if (one.quarantine) return badge("quarantined");
  return one.state === "broken" ? badge("broken") : badge("ok", "loaded");
}

function checks(health) {
  return health.length > 0 && h("ul", { class: "checks" }, health.map((check) => h("li", {}, badge(check.isOk ? "ok" : "failed", check.name), " ", h("span", { class: "soft" }, check.text))));
}

function quarantine(one, again) {
  const release = () =>
    asking({
      title: `Let ${one.name} go on?`,
      text: "Its jobs run again on all daemons. If they crash as before, it is quarantined again.",
      yes: "Release it",
      isDanger: true,
      fields: [{ name: "reason", label: "Reason" }],
      act: ({ reason }) => send(`/api/plugins/${encodeURIComponent(one.name)}/release`, reason ? { reason } : {}),
      done: `The jobs of ${one.name} run again.`,
    }).then(again);
  return h(
    "div",
    { class: "quarantine" },
    h("p", { class: "bad" }, `Quarantined: ${sentence(one.quarantine.reason)} A job tries again `, when(one.quarantine.probeAt), "."),
    button("Release…", release, { tone: "small", label: `Release ${one.name}` }),
  );
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
  return types.length > 0 && h("p", { class: "pieces types" }, types.map((one) => h("a", { class: "tag", href: to("jobs", "", { type: one.name }), title: one.description }, one.name)));
}
