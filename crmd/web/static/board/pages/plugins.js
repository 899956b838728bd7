// Plugins: what they declare, how they are, what their jobs did.

import { asking } from "../asking.js";
import { h } from "../dom.js";
import { number, plural, span, when } from "../format.js";
import { kept } from "../page.js";
import { badge, button, card, facts, head, nothing, tag } from "../parts.js";
import { to } from "../router.js";
import { read, send } from "../wire.js";

export const title = "Plugins";
const ABOUT = "What is loaded, how it does by its own checks and by crmd's, and what its jobs did to the daemons.";

export function show(page) {
  const again = kept(page, {
    fetch: (signal) => read("/api/plugins", {}, signal),
    before: () => head({ title, about: ABOUT }),
    draw: ({ plugins }) => draw(plugins.filter((one) => one.state !== "off").toSorted((a, b) => worth(a) - worth(b) || a.name.localeCompare(b.name)), plugins.filter((one) => one.state === "off"), again),
    every: 30,
  });
}

// What needs somebody stands first.
const worth = (one) => (one.state === "broken" ? 0 : one.quarantine ? 1 : 2);

function draw(shown, off, again) {
  return [
    head({ title, about: ABOUT }),
    shown.length
      ? h("div", { class: "grid-2 plugins" }, shown.map((one) => plugin(one, again)))
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
    facts([["Grade", grade(one.grade, one.name)], ["Health", checks(one)], ["Last 7 days", one.state === "loaded" && troubles(one.blame)], ["Needs", one.requires.join(", ")], ["Job types", jobTypes(one.jobTypes)]].map(([name, value]) => [name, value || null])),
  );
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

function state(one) {
  if (one.quarantine) return badge("quarantined");
  return one.state === "broken" ? badge("broken") : badge("ok", "loaded");
}

const HELD = { none: "", bronze: "warn", silver: "", gold: "good", platinum: "good" };

// How it did when its rules were checked by running it; of another version that says little.
function grade(one, plugin) {
  if (!one) return h("span", { class: "soft" }, "Not checked. ", h("code", {}, `crmd plugin check ${plugin} --record`), " does it.");
  const name = one.name === "none" ? "no grade" : one.name;
  const where = one.checkedFor === "release" ? "for the release" : "here";
  return h(
    "div",
    { class: "lead-words" },
    h("span", {}, tag(name[0].toUpperCase() + name.slice(1), one.isOutdated ? "warn" : HELD[one.name]), " ", h("span", { class: "soft" }, `${one.isOutdated ? `of ${one.version}, ` : ""}checked ${where} `, when(one.checkedAt))),
    one.isOutdated && h("span", { class: "under warn" }, "Another version is installed: ", h("code", {}, `crmd plugin check ${plugin} --record`)),
  );
}

function checks({ health, state }) {
  if (state !== "loaded") return null;
  if (!health.length) return h("span", { class: "soft" }, "It declares no checks.");
  return h("ul", { class: "checks" }, health.map((check) => h("li", {}, badge(check.isOk ? "ok" : "failed", check.name), " ", h("span", { class: "soft" }, check.text))));
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
  const said = blame ? [
    blame.crashes > 0 && plural(blame.crashes, "crash", "crashes"),
    blame.stalls > 0 && `${plural(blame.stalls, "stall")} of the loop, up to ${span(blame.stallSeconds)}`,
    blame.abandoned > 0 && `${plural(blame.abandoned, "job")} that could not be stopped`,
    blame.memoryMib > 0 && `${number(blame.memoryMib)} MiB at most`,
  ].filter(Boolean) : [];
  return h("span", { class: said.length ? "warn" : "soft" }, said.length ? `${said.join(", ")}.` : "No crash, no stall of the daemon.");
}

function jobTypes(types) {
  return types.length > 0 && h("span", { class: "pieces" }, types.map((one) => h("a", { class: "tag", href: to("jobs", "", { type: one.name }), title: one.description }, one.name)));
}
