// The parts of crmd-jobs.js that need no browser; node --test runs it.
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import test from "node:test";
import { JobStatus, describe, eventReader, isEnded } from "../../crmd/web/static/crmd-jobs.js";

globalThis.crypto ??= webcrypto; // older ones have neither as a global
globalThis.CustomEvent ??= class extends Event {
  constructor(type, { detail }) { super(type); this.detail = detail; }
};

// Waits are cut short where a test says so, and those for ever keep no process alive.
const wait = globalThis.setTimeout;
let longestMs = Infinity;
globalThis.setTimeout = (work, ms) => (ms > 1e6 ? wait(work, ms).unref() : wait(work, Math.min(ms, longestMs)));

const JOB = { id: "1", type: "bulk_tag", status: "processing", startedAt: "2026-01-01T00:00:00Z", progress: null };
const at = (seconds) => Date.parse(JOB.startedAt) + 1000 * seconds;

test("events are the same, whatever pieces they come in", () => {
  const text = ": beat\r\nretry: 2000\n\nevent: job\nid: 7\ndata: {\"a\":\ndata: 1}\n\nid: 8\ndata\n\nevent: gone\n\ndata: cut";
  const heard = (pieces) => {
    const told = [];
    const feed = eventReader((event) => told.push({ ...event }));
    pieces.forEach(feed);
    return told;
  };
  const whole = heard([text]);
  assert.deepEqual(whole, [{ event: "job", id: "7", data: '{"a":\n1}' }, { id: "8", data: "" }]);
  assert.deepEqual(heard([...text]), whole);
});

test("megabytes in small pieces are read in no time", () => {
  let events = 0;
  const feed = eventReader(() => events++);
  const line = "x".repeat(1000);
  feed("data: ");
  for (let piece = 0; piece < 20000; piece++) feed(line);
  feed("\n\n");
  for (let piece = 0; piece < 20000; piece++) feed("data: 1\n\n");
  assert.equal(events, 20001);
});

test("a job is described as it stands, with the time that is left", () => {
  const running = { ...JOB, progress: { done: 23, total: 92, note: "Enrolling" } };
  const view = describe(running, at(10));
  assert.equal(view.text, "Running · 23 of 92 · about 30 s left");
  assert.deepEqual([view.state, view.more, view.canCancel, view.retry], ["running", "Enrolling", true, null]);
  assert.equal(describe({ ...running, isCancelRequested: true }, at(10)).canCancel, false);
  assert.equal(describe({ ...running, progress: { done: 0, total: 92 } }, at(10)).text, "Running · 0 of 92");
  assert.equal(describe(JOB, at(10)).text, "Running");
  assert.match(describe({ ...JOB, progress: { done: 1, total: 1000 } }, at(60)).text, /about 17 h left/);
});

test("what ended is described with its counts, and with how to go on", () => {
  const progress = { done: 92, total: 92, succeeded: 90, blocked: 1, failed: 1, reasons: { "opted out": 1 } };
  const view = describe({ ...JOB, status: "completed", progress }, at(10));
  assert.deepEqual(view.counts, [["succeeded", 90], ["blocked", 1], ["unsuccessful", 1]]);
  assert.deepEqual([view.reasons, view.retry], [[["opted out", 1]], { onlyFailedItems: true }]);
  const dead = describe({ ...JOB, status: "dead", errorMessage: "no" }, at(10));
  assert.deepEqual([dead.state, dead.more, dead.retry], ["failed", "no", {}]);
  assert.deepEqual(["pending", "scheduled", "processing", "completed", "failed", "cancelled", "dead"].map((status) => isEnded({ status })),
    [false, false, false, true, true, true, true]);
});

// A server in this process: what is asked of it, and how it answers.
function served(answer) {
  const asked = [];
  globalThis.fetch = async (url, { method, headers, body, signal }) => {
    asked.push({ method, path: url.replace(/.*\/jobs/, ""), headers, body: body && JSON.parse(body) });
    signal.throwIfAborted();
    const { status = 200, json = {}, headers: sent = {} } = answer(asked.at(-1), asked.length);
    return new Response(JSON.stringify(json), { status, headers: sent });
  };
  return asked;
}

test("a job whose answer is lost is made once, under one key", async () => {
  let losses = 2;
  longestMs = 1;
  const asked = served(({ method }) => {
    if (method === "POST" && losses-- > 0) throw new TypeError("network");
    return method === "POST" ? { status: 201, json: { jobId: "1", status: "pending" } } : { json: { ...JOB, status: "completed" } };
  });
  const status = new JobStatus({ workspaceId: "w", token: async () => "t" });
  const made = await status.createJob({ type: "bulk_tag", payload: {}, title: "Tagging" });
  const posts = asked.filter(({ method }) => method === "POST");
  assert.equal(posts.length, 3);
  assert.equal(new Set(posts.map(({ headers }) => headers["Idempotency-Key"])).size, 1);
  assert.deepEqual(posts[0].body, { type: "bulk_tag", payload: {} });
  assert.equal(posts[0].headers.Authorization, "Bearer t");
  assert.equal(status.jobs.get(made.jobId).title, "Tagging");
  assert.equal(status.jobs, status.jobs);
  status.close();
  longestMs = Infinity;
});

test("a refusal is told with its problem, and is not tried again", async () => {
  const asked = served(() => ({ status: 429, json: { detail: "Five at a time." }, headers: { "Retry-After": "7" } }));
  const status = new JobStatus({ workspaceId: "w", token: "t" });
  const error = await status.createJob({ type: "bulk_tag" }).catch((one) => one);
  assert.deepEqual([error.message, error.status, error.retryAfterSeconds], ["Five at a time.", 429, 7]);
  assert.equal(asked.length, 1);
  assert.equal(status.jobs.size, 0);
  status.close();
});

test("an older answer does not undo what the stream has told", async () => {
  let release;
  const held = new Promise((done) => { release = done; });
  let gets = 0;
  globalThis.fetch = async (url) => {
    if (url.endsWith("/stream")) return new Response('event: job\nid: 1\ndata: {"id":"1","type":"t","status":"completed","createdAt":"2026-01-01"}\n\n');
    if (url.includes("?")) return new Response('{"jobs":[],"hasMore":false}');
    gets++;
    await held;
    return new Response('{"id":"1","type":"t","status":"processing","createdAt":"2026-01-01"}');
  };
  const status = new JobStatus({ workspaceId: "w", token: "t" });
  status.follow("1");
  const told = [];
  await new Promise((done) => status.addEventListener("job", ({ detail }) => done(told.push(detail.job.status))));
  release();
  await new Promise((done) => setTimeout(done, 10));
  assert.deepEqual(told, ["completed"]);
  assert.equal(gets, 1);
  assert.equal(status.activeJobs.size, 0);
  status.close();
});

test("a job that a longer list leaves out is asked for; one that is erased is forgotten, and a proxy's 404 erases none", async () => {
  longestMs = 5;
  const gone = { type: "urn:crmd:problem:not-found" };
  let single = { json: { ...JOB, createdAt: "2026-01-01" } };
  served(({ path }) => {
    if (path === "/stream") return { status: 429 };
    return path.startsWith("?") ? { json: { jobs: [], hasMore: true } } : single;
  });
  const status = new JobStatus({ workspaceId: "w", token: "t" });
  const until = async (isSo) => { while (!isSo()) await new Promise((done) => setTimeout(done, 1)); };
  status.follow("1");
  await until(() => status.connection === "polling" && status.peek("1"));
  single = { status: 404, json: {} };
  const before = status.peek("1");
  await status.getJob("1").catch(() => {});
  assert.equal(status.peek("1"), before);
  single = { status: 404, json: gone };
  await until(() => !status.peek("1"));
  assert.equal(status.jobs.size, 0);
  status.close();
  longestMs = Infinity;
});
