// What pages are put together from.

import { h } from "./dom.js";
import { number, percent, plural, words } from "./format.js";
import { icon } from "./icons.js";

const TONES = {
  completed: "good", ok: "good", active: "good", alive: "good", connected: "good", healthy: "good",
  processing: "busy", running: "busy",
  scheduled: "later",
  pending: "warn", throttled: "warn", warning: "warn", paused: "warn", draining: "warn", stale: "warn", degraded: "warn",
  failed: "bad", dead: "bad", lost: "bad", error: "bad", broken: "bad", needs_reauth: "bad", quarantined: "bad",
};

/** The head of a page. */
export function head({ title, about, trail, deeds = [] }) {
  return h(
    "div",
    { class: "head" },
    h(
      "div",
      { class: "words" },
      trail && h("nav", { class: "trail", "aria-label": "Where this page belongs" }, h("a", { href: trail[1] }, `← ${trail[0]}`)),
      h("h1", { tabindex: "-1" }, title),
      about && h("p", { class: "about" }, about),
    ),
    deeds.length > 0 && h("div", { class: "deeds" }, deeds),
  );
}

/** A card with a heading. */
export function card(title, { note, deeds, inside = true, id } = {}, ...children) {
  return h(
    "section",
    { class: "card", "aria-label": title, id, "data-key": id ?? title },
    h("header", {}, h("h2", {}, title), note && h("span", { class: "note" }, note), deeds),
    inside ? h("div", { class: "inside" }, children) : children,
  );
}

/** A button. */
export function button(text, on, { tone = "", sign, label, isDisabled = false } = {}) {
  return h(
    "button",
    { type: "button", class: `button ${tone}`, "aria-label": label, title: text ? null : label, disabled: isDisabled, on: { click: on } },
    sign && icon(sign),
    text,
  );
}

/** A status as a coloured dot and its word. */
export function badge(status, text = words(status)) {
  return h("span", { class: "badge", "data-tone": TONES[status] ?? "" }, text[0].toUpperCase() + text.slice(1));
}

/** A small word. */
export function tag(text, tone = "") {
  return h("span", { class: "tag", "data-tone": tone }, text);
}

/** How far something has come. */
export function meter(done, total, { tone = "", label = "Progress", note } = {}) {
  const share = percent(done, total);
  return h(
    "div",
    { class: "meter" },
    h("div", { class: "words" }, h("span", {}, `${number(done)} of ${number(total)}`), h("span", {}, note ?? `${share} %`)),
    bar(share, tone, label),
  );
}

/** A bar without words. */
export function bar(share, tone = "", label = "Share") {
  return h(
    "span",
    { class: "bar", "data-tone": tone, role: "progressbar", "aria-label": label, "aria-valuenow": String(Math.round(share)), "aria-valuemin": "0", "aria-valuemax": "100" },
    h("i", { css: { width: `${share}%` } }),
  );
}

/**
 * Rows as a table, and as cards where it is narrow.
 * Columns: {label, cell(row), kind}; kind holds: lead, wide, two (columns of a card), below (on a card), right, last, spare (not on a card), or nothing. `key(row)` names a row.
 */
export function table(label, columns, rows, { key, leads = false } = {}) {
  return h(
    "div",
    { class: "rows" },
    h(
      "table",
      { "aria-label": label },
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { class: column.kind, scope: "col" }, column.label || h("span", { class: "unseen" }, "Actions"))))),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            { class: leads && "leads", "data-key": key?.(row) },
            columns.map((column) => {
              const inside = column.cell(row);
              const isEmpty = inside === null || inside === undefined || inside === "";
              return h("td", { class: `${column.kind ?? ""}${isEmpty ? " empty" : ""}`, "data-label": column.label }, isEmpty ? "" : inside);
            }),
          ),
        ),
      ),
    ),
  );
}

/** Nothing is there: says why, and what to do next. */
export function nothing(title, text, { sign = "done", deeds = [], isSlim = false } = {}) {
  return h(
    "div",
    { class: `nothing ${isSlim ? "slim" : ""}` },
    !isSlim && icon(sign, 30),
    h("p", { class: "strong" }, title),
    text && h("p", {}, text),
    deeds.length > 0 && h("div", { class: "deeds" }, deeds),
  );
}

/** What went wrong, in a sentence, with a way to try again. */
export function trouble(error, again) {
  return h(
    "div",
    { class: "trouble", role: "alert" },
    h("p", {}, error.message, error.hint && h("span", { class: "hint" }, error.hint)),
    again && button("Try again", again, { tone: "small", sign: "retry" }),
  );
}

/** Stands where something is still on its way. */
export function bones(lines = 6) {
  return h("div", { class: "card bones", "aria-busy": "true", "aria-label": "Loading" }, Array.from({ length: lines }, () => h("i")));
}

/** Names and values, one below the other, or side by side. */
export function facts(pairs, { isWide = false } = {}) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: isWide ? "facts wide" : "facts" }, shown.map(([name, value]) => h("div", { "data-key": name }, h("dt", {}, name), h("dd", {}, value))));
}

/** A text that a click copies; another one may stand for it. */
export function copyable(text, label = "Copy", shown = text) {
  const copy = async (event) => {
    const place = event.currentTarget;
    await navigator.clipboard?.writeText(text).catch(() => {});
    place.dataset.copied = "";
    setTimeout(() => delete place.dataset.copied, 1200);
  };
  return h("button", { type: "button", class: "copy", title: `${label}: ${text}`, on: { click: copy } }, shown);
}

/** JSON as a person reads it. */
export function json(value, label) {
  if (value === null || value === undefined) return h("p", { class: "faint" }, "Nothing.");
  return h("pre", { class: "json", tabindex: "0", role: "region", "aria-label": label }, painted(JSON.stringify(value, null, 2)));
}

const PIECES = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\d[\d.eE+-]*)/g;

function painted(text) {
  const out = [];
  let at = 0;
  for (const found of text.slice(0, 60_000).matchAll(PIECES)) {
    out.push(text.slice(at, found.index));
    const kind = found[2] ? "name" : found[1] ? "text" : "bare";
    out.push(h("span", { class: `j-${kind}` }, found[1] ?? found[0]), found[2] ?? "");
    at = found.index + found[0].length;
  }
  out.push(text.slice(at));
  return out;
}

/** Links between views of one page. */
export function chips(label, items) {
  return h(
    "nav",
    { class: "chips", "aria-label": label },
    items.map(({ text, href, isHere, count }) =>
      h("a", { href, "aria-current": isHere ? "page" : null }, text, count !== undefined && h("span", {}, number(count))),
    ),
  );
}

/** The end of a list: how much is shown, and a way to the rest. */
export function more(shown, noun, { hasMore, on, total }) {
  if (!hasMore && shown < 20) return null;
  const text = total ? `${number(shown)} of ${total}` : plural(shown, noun);
  return h("div", { class: "more" }, h("span", {}, text), hasMore && button("Show more", on, { tone: "small" }));
}

/** A note at the corner that goes by itself. */
export function note(text, tone = "good") {
  const place = document.getElementById("notes");
  const one = h("div", { "data-tone": tone }, text);
  place.append(one);
  setTimeout(() => one.remove(), 6_000);
}

/** A search field. */
export function search(value, label, on) {
  return h(
    "div",
    { class: "search" },
    icon("search"),
    h("input", { type: "search", name: "q", value: value ?? "", placeholder: label, "aria-label": label, autocomplete: "off", spellcheck: "false", on: { change: (event) => on(event.target.value.trim()) } }),
  );
}

/** A choice of words; the first stands for all. */
export function choice(label, value, options, on) {
  return h(
    "select",
    { "aria-label": label, on: { change: (event) => on(event.target.value) } },
    options.map(([key, text]) => h("option", { value: key, selected: key === (value ?? "") }, text)),
  );
}
