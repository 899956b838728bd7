// Jobs as they change: server-sent events over fetch, since EventSource cannot send the key. Without a stream, pages poll.

import { headers, session } from "./wire.js";

const RETRY_MS = [1_000, 2_000, 5_000, 10_000];
const SILENT_MS = 40_000;
const hearers = new Set();
const watchers = new Set();
let state = "connecting";
let stop = null;

/** Hear each job that changed, until the signal aborts. */
export function onJob(hear, signal) {
  hearers.add(hear);
  signal.addEventListener("abort", () => hearers.delete(hear));
}

/** Be told of the connection: connecting, live, polling, lost. */
export function onState(tell) {
  watchers.add(tell);
  tell(state);
}

export const isLive = () => state === "live";

function become(next) {
  if (next === state) return;
  state = next;
  for (const tell of watchers) tell(state);
}

/** Pages that poll say how it went. */
export function noteAnswer(isThere) {
  if (state === "live") return;
  if (isThere && state === "lost") become("polling");
  if (!isThere) become("lost");
}

/** Keep a stream open until `close`. */
export function open() {
  close();
  const control = new AbortController();
  stop = control;
  keep(control.signal);
}

export function close() {
  stop?.abort();
  stop = null;
}

async function keep(signal) {
  let tries = 0;
  let last = "";
  while (!signal.aborted && session.key) {
    try {
      const answer = await fetch("/api/stream", { signal, cache: "no-store", headers: { ...headers(), ...(last ? { "Last-Event-ID": last } : {}) } });
      if (answer.status === 401) return session.end("The key is no longer good. Log in again.");
      if (!answer.ok || !answer.body) throw new Error(`status ${answer.status}`);
      await readEvents(answer.body, signal, (event) => {
        if (event.id) last = event.id;
        tries = 0;
        become("live");
        heard(event);
      });
    } catch {
      // A lost stream is told by its state; the next try follows below.
    }
    if (signal.aborted) return;
    become(state === "lost" ? "lost" : "polling");
    await pause(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] * (0.75 + Math.random() / 2), signal);
    tries += 1;
  }
}

// A snapshot means that changes may have been missed: whoever hears looks again.
function heard({ kind, data }) {
  if (kind === "snapshot") for (const hear of hearers) hear({ isAnything: true });
  if (kind === "job") for (const hear of hearers) hear(data);
  if (kind === "gone") for (const hear of hearers) hear({ ...data, isGone: true });
}

/** Read text/event-stream; a stream without a beat for long is given up. */
async function readEvents(body, signal, tell) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const timer = setTimeout(() => reader.cancel(), SILENT_MS);
    const { done, value } = await reader.read();
    clearTimeout(timer);
    if (done || signal.aborted) return;
    text += value.replaceAll("\r\n", "\n");
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event) tell(event);
    }
  }
}

function parsed(block) {
  const event = { kind: "message", id: "", data: "" };
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event.kind = line.slice(6).trim();
    else if (line.startsWith("id:")) event.id = line.slice(3).trim();
    else if (line.startsWith("data:")) event.data += line.slice(5).trim();
  }
  if (!event.data) return null;
  return { ...event, data: JSON.parse(event.data) };
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
