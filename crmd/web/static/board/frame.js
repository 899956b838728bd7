// What stands around every page: navigation, the state of the connection, theme, the way out.

import { asking, showing } from "./asking.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { button } from "./parts.js";
import { to } from "./router.js";
import { onState } from "./stream.js";
import { applyTheme, following, theme } from "./theme.js";
import { session } from "./wire.js";

const GROUPS = [
  ["", [["overview", "Overview", "o"]]],
  ["Work", [["jobs", "Jobs", "j"], ["dead", "Dead letters", "d"], ["schedules", "Schedules", "s"], ["queues", "Queues & limits", "q"], ["events", "Events", "e"]]],
  ["System", [["connections", "Connections", "c"], ["plugins", "Plugins", "p"], ["daemons", "Daemons", "n"]]],
  ["Access", [["audit", "Audit", "a"], ["keys", "Keys", "k"]]],
];
const SAID = { connecting: "Connecting", live: "Live", polling: "Renewed every few seconds", lost: "The daemon does not answer" };
const SIGNS = { auto: ["auto", "Theme: as the system"], light: ["sun", "Theme: light"], dark: ["moon", "Theme: dark"] };
let built = null;

/** Put a page into the frame. */
export function frame(root, name, page) {
  if (!built?.element.isConnected) {
    built = build();
    root.replaceChildren(built.element);
  }
  built.element.removeAttribute("data-menu");
  for (const [key, link] of built.links) {
    if (key === name || (name === "job" && key === "jobs")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  built.place.replaceChildren(page);
}

function build() {
  const links = new Map();
  const place = h("div", {});
  const side = h(
    "div",
    { class: "side" },
    h("a", { class: "brand", href: to("overview") }, h("img", { src: "/static/board/icon.svg", alt: "" }), "crmd"),
    h("nav", { "aria-label": "Pages" }, GROUPS.map(([group, items]) => [
      group && h("h2", {}, group),
      h("ul", {}, items.map(([name, text]) => {
        const link = h("a", { class: "to", href: to(name) }, icon(name), text);
        links.set(name, link);
        return h("li", {}, link);
      })),
    ])),
    foot(),
  );
  const element = h("div", { class: "frame" }, top(() => toggle(element)), side, h("div", { class: "veil", on: { click: () => toggle(element) } }), place);
  element.addEventListener("keydown", (event) => event.key === "Escape" && element.removeAttribute("data-menu"));
  return { element, links, place };
}

function toggle(element) {
  if (element.dataset.menu) element.removeAttribute("data-menu");
  else {
    element.dataset.menu = "open";
    element.querySelector(".side a").focus();
  }
}

function top(on) {
  return h(
    "header",
    { class: "top" },
    button("", on, { tone: "bare icon", sign: "menu", label: "Menu" }),
    h("a", { class: "brand", href: to("overview") }, h("img", { src: "/static/board/icon.svg", alt: "" }), "crmd"),
    pulse(),
  );
}

function pulse() {
  const place = h("span", { class: "pulse" });
  onState((state) => {
    place.dataset.state = state;
    place.textContent = SAID[state];
  });
  return place;
}

function foot() {
  const change = h("button", { type: "button", class: "button bare icon", on: { click: () => (applyTheme(following()), sign()) } });
  const sign = () => {
    const [name, label] = SIGNS[theme()];
    change.replaceChildren(icon(name));
    change.setAttribute("aria-label", label);
    change.title = label;
  };
  sign();
  return h(
    "div",
    { class: "foot" },
    pulse(),
    h(
      "div",
      { class: "row" },
      change,
      button("?", keys, { tone: "bare icon", label: "Keyboard" }),
      button("Log out", leave, { tone: "bare small", sign: "leave" }),
    ),
  );
}

async function leave() {
  const isSure = await asking({ title: "Log out?", text: "The key is forgotten in this tab. Jobs run on.", yes: "Log out", act: () => ({}) });
  if (isSure) session.end();
}

function keys() {
  const pages = GROUPS.flatMap(([, items]) => items.map(([, text, key]) => [["g", key], text]));
  const all = [[["/"], "Search on this page"], ...pages, [["?"], "This list"], [["Esc"], "Close"]];
  showing(
    "Keyboard",
    h("div", { class: "keys" }, all.map(([strokes, text]) => [h("span", {}, strokes.map((stroke) => [h("kbd", {}, stroke), " "])), h("span", {}, text)])),
  );
}

let before = "";
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, textarea, select, dialog");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !session.key) return;
  const found = before === "g" && GROUPS.flatMap(([, items]) => items).find(([, , key]) => key === event.key);
  before = event.key;
  if (found) location.hash = to(found[0]);
  else if (event.key === "?") keys();
  else if (event.key === "/") {
    event.preventDefault();
    document.querySelector(".search input")?.focus();
  }
});
