// A page's life: bones, then what it shows, renewed in place; an error says so and leaves what was there.

import { h, renew } from "./dom.js";
import { bones, trouble } from "./parts.js";
import { isLive, noteAnswer, onJob } from "./stream.js";

// A change is shown after a moment, and a storm of them every two seconds.
const MOMENT_MS = 100;
const STORM_MS = 2_000;

/**
 * Show what `fetch` gets with `draw`, now and again and again.
 * @param page {root, signal} of the router
 * @param fetch async (signal) => data
 * @param draw (data, again) => nodes
 * @param before nodes that stand there while it loads
 * @param every seconds between renewals
 * @param hears (job) => true when a change of this job matters; then it is renewed within a moment
 * @param merge (data, job) => true when the change could be put into the data, which is drawn at once
 * @returns again: renew at once
 */
export function kept(page, { fetch, draw, before = () => null, every = 10, hears = null, merge = null }) {
  let data;
  let timer;
  let isBusy = false;
  let isWanted = false;
  const body = h("div", { class: "stack" });
  page.root.append(body);
  renew(body, before(), bones(8));

  const again = async () => {
    clearTimeout(timer);
    if (isBusy) {
      isWanted = true;
      return;
    }
    isBusy = true;
    await once();
    isBusy = false;
    if (page.signal.aborted) return;
    const wait = isWanted ? 0 : every * 1000 * (hears && !isLive() ? 0.5 : 1);
    isWanted = false;
    timer = setTimeout(tick, wait);
  };
  const tick = () => (document.hidden ? (timer = setTimeout(tick, 1_000)) : again());
  const once = async () => {
    try {
      data = await fetch(page.signal);
      if (page.signal.aborted) return;
      noteAnswer(true);
      renew(body, draw(data, again));
    } catch (error) {
      if (page.signal.aborted) return;
      if (error.status === 0) noteAnswer(false);
      if (!(error.status >= 0)) {
        renew(body, before(), trouble({ message: "This page broke.", hint: "What broke stands in the browser's console." }, () => location.reload()));
        throw error;
      }
      renew(body, data === undefined ? before() : null, trouble(error, again), data === undefined ? null : draw(data, again));
    }
  };
  if (hears) {
    let soon = null;
    let heardAt = 0;
    let isDrawing = false;
    onJob((job) => {
      if (data !== undefined && !job.isAnything && merge?.(data, job) && !isDrawing) {
        isDrawing = true;
        requestAnimationFrame(() => ((isDrawing = false), page.signal.aborted || renew(body, draw(data, again))));
      }
      if (soon || !(job.isAnything || hears(job))) return;
      const wait = Math.max(MOMENT_MS, heardAt + STORM_MS - Date.now());
      soon = setTimeout(() => ((soon = null), (heardAt = Date.now()), document.hidden || again()), wait);
    }, page.signal);
  }
  for (const kind of ["online", "offline"]) window.addEventListener(kind, again, { signal: page.signal });
  page.signal.addEventListener("abort", () => clearTimeout(timer));
  again();
  return again;
}
