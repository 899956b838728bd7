// Charts over time, drawn as SVG at the width that there is. Pointer and arrow keys show the figures of an instant.

import { h, s } from "./dom.js";
import { atClock, onDay } from "./format.js";

const HEIGHT = 168;
const PAD = { left: 46, right: 6, top: 10, bottom: 22 };

/**
 * What a chart shows.
 * @typedef {{times: string[], series: {name, tone, values: (number|null)[]}[], kind: "line"|"columns", format, label, stepSeconds}} Shown
 */

class Chart extends HTMLElement {
  #shown = null;
  #seen = new ResizeObserver(() => this.#draw());
  #at = null;

  connectedCallback() {
    this.#seen.observe(this);
  }

  disconnectedCallback() {
    this.#seen.disconnect();
  }

  get shown() {
    return this.#shown;
  }

  set shown(value) {
    this.#shown = value;
    if (this.isConnected) this.#draw();
  }

  #draw() {
    const shown = this.#shown;
    const width = Math.floor(this.clientWidth - 32);
    if (!shown || width < 60) return;
    const scale = scaleOf(shown, width);
    const hadFocus = this.contains(document.activeElement);
    const svg = s(
      "svg",
      {
        width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, tabindex: "0", role: "img", "aria-label": said(shown),
        on: {
          pointermove: (event) => this.#point(scale, nearest(scale, event.offsetX)),
          pointerleave: () => this.#point(scale, null),
          blur: () => this.#point(scale, null),
          keydown: (event) => this.#key(event, scale),
        },
      },
      axis(shown, scale),
      shown.kind === "columns" ? columns(shown, scale) : lines(shown, scale),
      isBlank(shown) && s("text", { class: "blank", x: (PAD.left + width) / 2, y: HEIGHT / 2 - 34, "text-anchor": "middle" }, "Nothing in this time"),
      s("g", { class: "pointed" }),
    );
    const legend = shown.series.length > 1 && h("div", { class: "legend" }, shown.series.map((one) => h("span", { class: `c-${one.tone}` }, one.name)));
    this.replaceChildren(...[legend, svg].filter(Boolean));
    if (hadFocus) svg.focus();
    this.#point(scale, this.#at);
  }

  #key(event, scale) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const last = this.#shown.times.length - 1;
    this.#point(scale, Math.max(0, Math.min(last, this.#at === null ? last : this.#at + step)));
  }

  #point(scale, index) {
    this.#at = index;
    this.querySelector(".tip")?.remove();
    const group = this.querySelector(".pointed");
    if (!group) return;
    group.replaceChildren();
    const shown = this.#shown;
    if (index === null || index >= shown.times.length) return;
    const x = scale.x(index);
    group.append(s("line", { class: "cross", x1: x, x2: x, y1: PAD.top, y2: HEIGHT - PAD.bottom }));
    for (const one of shown.series) {
      const value = one.values[index];
      if (value !== null && shown.kind !== "columns") group.append(s("circle", { class: `dot c-${one.tone}`, cx: x, cy: scale.y(value), r: 4 }));
    }
    const at = new Date(shown.times[index]);
    const tip = h(
      "div",
      { class: "tip", role: "status" },
      h("div", { class: "at" }, `${onDay(at)}, ${atClock(at)}`),
      shown.series.map((one) => h("div", { class: `legend` }, h("span", { class: `c-${one.tone}` }, one.name, h("b", {}, one.values[index] === null ? "–" : shown.format(one.values[index]))))),
    );
    this.append(tip);
    const isRight = x > scale.width / 2;
    tip.style.setProperty(isRight ? "right" : "left", `${isRight ? scale.width - x + 32 : x + 28}px`);
  }
}

customElements.define("board-chart", Chart);

/** A chart element. */
export function chart(shown) {
  return h("board-chart", { "data-key": shown.label, prop: { shown } });
}

function scaleOf(shown, width) {
  const stacked = shown.kind === "columns";
  const sums = shown.times.map((_, at) => shown.series.reduce((sum, one) => (stacked ? sum + (one.values[at] ?? 0) : Math.max(sum, one.values[at] ?? 0)), 0));
  const top = niceAbove(Math.max(...sums, 0), shown.steps);
  const inner = width - PAD.left - PAD.right;
  const count = shown.times.length;
  const slot = inner / Math.max(count, 1);
  const tall = HEIGHT - PAD.top - PAD.bottom;
  return {
    width, top, slot, count,
    x: stacked ? (at) => PAD.left + slot * (at + 0.5) : (at) => PAD.left + (count > 1 ? (inner * at) / (count - 1) : inner / 2),
    y: (value) => PAD.top + tall * (1 - value / top),
  };
}

const DECIMAL = [1, 1.2, 1.6, 2, 2.4, 3, 4, 6, 8, 10];
const SECONDS = [0.001, 0.002, 0.004, 0.01, 0.02, 0.04, 0.1, 0.2, 0.4, 1, 2, 4, 10, 20, 40, 60, 120, 240, 480, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];

function niceAbove(value, steps) {
  if (steps === "seconds") return SECONDS.find((one) => one >= value) ?? niceAbove(value);
  if (value <= 4) return 4;
  const size = 10 ** Math.floor(Math.log10(value));
  return DECIMAL.find((one) => one * size >= value) * size;
}

function nearest(scale, x) {
  let best = 0;
  for (let at = 1; at < scale.count; at += 1) if (Math.abs(scale.x(at) - x) < Math.abs(scale.x(best) - x)) best = at;
  return scale.count ? best : null;
}

function axis(shown, scale) {
  const marks = [0, 0.5, 1].map((share) => scale.top * share);
  const every = Math.max(1, Math.ceil(shown.times.length / Math.max(2, Math.floor(scale.width / 110))));
  const isLong = shown.times.length > 1 && new Date(shown.times.at(-1)) - new Date(shown.times[0]) > 2 * 86_400_000;
  return s(
    "g",
    { class: "axis" },
    marks.map((value) => [
      s("line", { x1: PAD.left, x2: scale.width - PAD.right, y1: scale.y(value), y2: scale.y(value) }),
      s("text", { x: PAD.left - 8, y: scale.y(value) + 4, "text-anchor": "end" }, value === 0 ? "0" : shown.format(value)),
    ]),
    shown.times.map((time, at) => {
      if (at % every || scale.x(at) > scale.width - 24) return null;
      return s("text", { x: scale.x(at), y: HEIGHT - 5, "text-anchor": at === 0 ? "start" : "middle" }, isLong ? onDay(time) : atClock(time));
    }),
  );
}

function lines(shown, scale) {
  return shown.series.map((one, place) => {
    const runs = runsOf(one.values);
    const path = (run) => run.map(([at, value], index) => `${index ? "L" : "M"}${scale.x(at).toFixed(1)} ${scale.y(value).toFixed(1)}`).join("");
    const base = scale.y(0);
    return s(
      "g",
      { class: `c-${one.tone}` },
      place === 0 && runs.map((run) => s("path", { class: "area", d: `${path(run)}L${scale.x(run.at(-1)[0]).toFixed(1)} ${base}L${scale.x(run[0][0]).toFixed(1)} ${base}Z` })),
      runs.map((run) => (run.length > 1 ? s("path", { class: "line", d: path(run) }) : s("circle", { class: "dot", cx: scale.x(run[0][0]), cy: scale.y(run[0][1]), r: 3.5 }))),
    );
  });
}

const isBlank = (shown) => shown.series.every((one) => one.values.every((value) => (shown.kind === "columns" ? !value : value === null || value === undefined)));

// What is not known is a gap, not a zero.
function runsOf(values) {
  const runs = [];
  let run = null;
  values.forEach((value, at) => {
    if (value === null || value === undefined) run = null;
    else {
      if (!run) runs.push((run = []));
      run.push([at, value]);
    }
  });
  return runs;
}

function columns(shown, scale) {
  const wide = Math.max(1, Math.min(22, scale.slot * 0.74));
  return shown.times.map((_, at) => {
    let below = 0;
    return shown.series.map((one) => {
      const value = one.values[at] ?? 0;
      if (!value) return null;
      const y = scale.y(below + value);
      const column = s("rect", { class: `column c-${one.tone}`, x: (scale.x(at) - wide / 2).toFixed(1), y: y.toFixed(1), width: wide.toFixed(1), height: Math.max(1, scale.y(below) - y).toFixed(1), rx: Math.min(2, wide / 4).toFixed(1) });
      below += value;
      return column;
    });
  });
}

function said(shown) {
  const parts = shown.series.map((one) => {
    const known = one.values.filter((value) => value !== null && value !== undefined);
    if (!known.length) return `${one.name}: nothing yet`;
    return `${one.name}: ${shown.format(known.at(-1))} now, at most ${shown.format(Math.max(...known))}`;
  });
  return `${shown.label}. ${parts.join("; ")}. Arrow keys show single instants.`;
}
