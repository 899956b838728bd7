// Numbers, times and sizes as people read them.

import { h } from "./dom.js";

const count = new Intl.NumberFormat("en-GB");
const short = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const second = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export const number = (value) => (value === null || value === undefined ? "–" : count.format(value));
export const compact = (value) => (value === null || value === undefined ? "–" : value < 10_000 ? count.format(value) : short.format(value));
export const atClock = (value) => clock.format(new Date(value));
export const atSecond = (value) => second.format(new Date(value));
export const onDay = (value) => day.format(new Date(value));
export const plural = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;
export const percent = (part, whole) => (whole ? Math.min(100, Math.round((100 * part) / whole)) : 0);

/** A span of time, in one or two units. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const size = Math.abs(seconds);
  if (size < 0.0005) return "0 ms";
  if (size < 1) return `${Math.max(1, Math.round(size * 1000))} ms`;
  if (size < 10) return `${size.toFixed(1).replace(/\.0$/, "")} s`;
  if (size < 60) return `${Math.round(size)} s`;
  if (size < 3600) return two(size, 60, "min", "s");
  if (size < 86_400) return two(size / 60, 60, "h", "min");
  return two(size / 3600, 24, "d", "h");
}

function two(size, whole, big, small) {
  const rest = Math.round(size);
  const left = rest % whole;
  return `${Math.floor(rest / whole)} ${big}${left && rest / whole < 10 ? ` ${left} ${small}` : ""}`;
}

/** How long ago, or in how long. */
export function ago(value, now = Date.now()) {
  const seconds = (now - new Date(value).getTime()) / 1000;
  if (Math.abs(seconds) < 2) return "now";
  return seconds > 0 ? `${coarse(seconds)} ago` : `in ${coarse(-seconds)}`;
}

function coarse(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** An instant: relative, exact on hover. */
export function when(value, empty = "–") {
  if (!value) return h("span", { class: "faint" }, empty);
  return h("time", { class: "number", datetime: value, title: exact.format(new Date(value)) }, ago(value));
}

/** Keeps every relative time on the page true. */
export function keepTime() {
  setInterval(() => {
    for (const one of document.querySelectorAll("time[datetime]")) {
      const text = ago(one.getAttribute("datetime"));
      if (one.textContent !== text) one.textContent = text;
    }
  }, 5_000);
}

/** Seconds between two instants; the second may be now. */
export function between(from, to) {
  return from ? (new Date(to ?? Date.now()) - new Date(from)) / 1000 : null;
}

/** The end of an id, which differs where beginnings are alike; whole on hover. */
export function tail(id) {
  if (!id) return h("span", { class: "faint" }, "–");
  const text = String(id);
  return h("span", { class: "mono faint nowrap", title: text }, text.length > 12 ? `…${text.slice(-8)}` : text);
}

/** A key of snake_case, camelCase or kebab-case as words. */
export const words = (key) =>
  key.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/[_-]+/g, " ").toLowerCase().replace(/^./, (first) => first.toUpperCase());
