// Background jobs in a web page: JobStatus follows them, <crmd-job-toasts> and <crmd-job-progress> show them.
// It loads nothing, and works under a strict Content-Security-Policy. Types and their comments: crmd-jobs.d.ts.

const ENDED = ["completed", "failed", "cancelled", "dead"];
const MAX = 100; // jobs that are followed, shown, asked for at once
const POLL_MS = 3000;
const WAIT_MAX_MS = 30000;
const FIRST_EVENT_MS = 10000; // a proxy that holds the stream back is noticed by this
const SILENCE_MS = 45000; // the server says something every 15 s
const SHORT_MS = 5000; // a stream that ends sooner is as good as none

export const isEnded = (job) => ENDED.includes(job.status);

export class JobError extends Error {
  constructor(status, problem, retryAfterSeconds = 0) {
    super(problem?.detail || problem?.title || `The server answered ${status}.`);
    Object.assign(this, { name: "JobError", status, problem, retryAfterSeconds });
  }
}

// Takes text/event-stream piece by piece.
export function eventReader(hear) {
  let rest = "", type = "", data = [], id = "";
  const read = (line) => {
    const [field, value] = line.split(/: ?(.*)/s);
    if (field === "event") type = value;
    else if (field === "data") data.push(value ?? "");
    else if (field === "id") id = value ?? "";
    else if (!line) {
      if (data.length) hear({ type: type || "message", data: data.join("\n"), id });
      [type, data] = ["", []];
    }
  };
  return (text) => {
    rest += text;
    if (!text.includes("\n")) return;
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) read(line.replace(/\r$/, ""));
  };
}

const backoff = (failures) => Math.min(WAIT_MAX_MS, 1000 * 2 ** failures) * (0.5 + Math.random() / 2);
const unique = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
const isHidden = () => globalThis.document?.hidden;

export class JobStatus extends EventTarget {
  #base; #token; #all;
  #known = new Map(); #followed = {}; #watched = new Map(); #dismissed = new Set(); #shown; #isTelling = false;
  #lastId = ""; #stream; #retryAt = 0; #wake = () => {}; #closing = new AbortController();
  connection = "idle";
  skewMs = 0;

  constructor({ baseUrl = "", workspaceId, token, all = false }) {
    super();
    this.#base = `${baseUrl.replace(/\/$/, "")}/api/workspaces/${workspaceId}/jobs`;
    this.#token = typeof token === "function" ? token : () => token;
    this.#all = all;
    this.#restore();
    const on = (name, work) => globalThis.addEventListener?.(name, work, { signal: this.#closing.signal });
    on("storage", ({ key }) => key === this.#base && this.#restore());
    on("online", () => this.#hurry());
    on("offline", () => this.#stream?.abort());
    on("visibilitychange", () => (isHidden() ? this.#stream?.abort() : this.#hurry()));
    this.#run();
  }

  get jobs() {
    const isShown = ({ id, parentId, status }) => id in this.#followed
      || (this.#all && !parentId && status !== "scheduled" && !this.#dismissed.has(id));
    return this.#shown ??= new Map([...this.#known].filter(([, job]) => isShown(job))
      .sort(([, a], [, b]) => Date.parse(b.createdAt) - Date.parse(a.createdAt)).slice(0, MAX));
  }

  get activeJobs() { return new Map([...this.jobs].filter(([, job]) => !isEnded(job))); }

  peek(id) { return this.#known.get(id); }

  subscribe = (listener) => {
    this.addEventListener("change", listener);
    return () => this.removeEventListener("change", listener);
  };

  // The key makes it one job, however often the answer is lost.
  async createJob({ title, idempotencyKey = unique(), ...job }) {
    const made = await this.#ask("POST", "", { body: job, headers: { "Idempotency-Key": idempotencyKey }, tries: 4 });
    return this.#begin(made, job.type, title);
  }

  async cancelJob(id, reason) {
    return this.#ask("POST", `/${id}/cancel`, { body: { reason } }).finally(() => this.#refresh(id));
  }

  async retryJob(id, options = {}) {
    const made = await this.#ask("POST", `/${id}/retry`, { body: options });
    const { type, title } = this.peek(id) ?? {};
    this.dismiss(id);
    return this.#begin(made, type, title);
  }

  async getJob(id) {
    const seen = this.peek(id);
    const job = await this.#ask("GET", `/${id}`);
    if (this.peek(id) === seen) this.#take(job); // otherwise the stream was faster
    return job;
  }

  follow(id, title) {
    this.#remember({ [id]: { at: Date.now(), title } });
    this.#refresh(id);
  }

  watch(id) {
    this.#watched.set(id, (this.#watched.get(id) ?? 0) + 1);
    if (!this.peek(id)) this.#refresh(id);
    this.#changed();
    return () => this.#watched.set(id, this.#watched.get(id) - 1) && this.#changed();
  }

  dismiss(id) {
    this.#dismissed.add(id);
    this.#remember({ [id]: undefined });
  }

  close() {
    this.#closing.abort();
    this.#stream?.abort();
    this.#wake();
    this.#tell("idle");
  }

  #begin(made, type, title) {
    const id = made.jobId;
    const createdAt = new Date(Date.now() + this.skewMs).toISOString();
    if (!this.peek(id)) this.#known.set(id, { id, type, status: made.status, createdAt, title });
    this.follow(id, title);
    return made;
  }

  async #ask(method, path, { tries = 1, ...more } = {}) {
    for (let failures = 0; ; ) {
      try {
        return await (await this.#send(method, path, more)).json();
      } catch (error) {
        const isPassing = !(error instanceof JobError) || error.status === 503;
        if (++failures >= tries || !isPassing || this.#closing.signal.aborted) throw error;
        await new Promise((wake) => setTimeout(wake, backoff(failures)));
      }
    }
  }

  async #send(method, path, { headers, body, signal = this.#closing.signal }) {
    const own = { Authorization: `Bearer ${await this.#token()}`, "Content-Type": "application/json", ...headers };
    const text = body && JSON.stringify(body);
    const response = await fetch(this.#base + path, { method, headers: own, body: text, signal, cache: "no-store" });
    const date = Date.parse(response.headers.get("Date"));
    if (date) this.skewMs = date - Date.now();
    if (response.ok) return response;
    const problem = await response.json().catch(() => null);
    throw new JobError(response.status, problem, Number(response.headers.get("Retry-After")) || 0);
  }

  // What is followed lies in storage, for other tabs and for after a reload.
  #load() {
    try { this.#followed = JSON.parse(localStorage.getItem(this.#base)) ?? this.#followed; } catch { /* the user forbids it */ }
  }

  #restore() {
    this.#load();
    for (const id in this.#followed) if (!this.peek(id)) this.#refresh(id);
    this.#changed();
  }

  #remember(changes) {
    this.#load();
    const all = Object.entries({ ...this.#followed, ...changes }).filter(([, one]) => one).sort(([, a], [, b]) => b.at - a.at);
    this.#followed = Object.fromEntries(all.slice(0, MAX));
    try { localStorage.setItem(this.#base, JSON.stringify(this.#followed)); } catch { /* then it is good for this page only */ }
    this.#changed();
  }

  #isMine(id) { return this.#all || id in this.#followed || this.#watched.get(id) > 0; }

  #isNeeded() {
    const isOpen = (id) => this.#isMine(id) && !(this.peek(id) && isEnded(this.peek(id)));
    return this.#all || [...Object.keys(this.#followed), ...this.#watched.keys()].some(isOpen);
  }

  #changed() {
    this.#shown = undefined;
    if (!this.#isNeeded()) this.#stream?.abort();
    else if (this.connection === "idle") this.#wake();
    if (!this.#isTelling) queueMicrotask(() => { this.#isTelling = false; this.dispatchEvent(new Event("change")); });
    this.#isTelling = true;
  }

  #hurry() {
    this.#retryAt = 0;
    this.#wake();
  }

  #say(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  #tell(state) {
    if (state === this.connection) return;
    this.connection = state;
    this.#say("connection", { state });
  }

  #take(job) {
    if (!this.#isMine(job.id)) return;
    const previous = this.peek(job.id);
    job.title = this.#followed[job.id]?.title;
    this.#known.set(job.id, job);
    if (this.#known.size > 20 * MAX) this.#known.delete(this.#known.keys().next().value);
    this.#say("job", { job, previous });
    this.#changed();
  }

  #drop(id) {
    if (!this.#isMine(id)) return;
    this.#known.delete(id);
    this.#say("gone", { id });
    this.dismiss(id);
  }

  async #refresh(id) {
    await this.getJob(id).catch((error) => error.status === 404 && this.#drop(id)); // else the next change is told anyway
  }

  // What it is silent about has ended or was erased: one has to ask.
  #snapshot({ jobs, isComplete }) {
    const told = new Set(jobs.map((job) => job.id));
    const lost = [...this.#known.values()].filter((job) => isComplete && !isEnded(job) && !told.has(job.id));
    jobs.forEach((job) => this.#take(job));
    lost.slice(0, MAX).forEach((job) => this.#refresh(job.id));
  }

  #pause(ms) {
    return new Promise((wake) => {
      this.#wake = wake;
      if (ms !== undefined) setTimeout(wake, ms);
    });
  }

  async #run() {
    const isOn = () => this.#isNeeded() && !this.#closing.signal.aborted;
    for (let failures = 0; !this.#closing.signal.aborted; ) {
      const isGood = isOn() && !isHidden() && (await this.#listen());
      if (!isOn()) {
        this.#tell("idle");
        await this.#pause();
      } else if (isGood) {
        failures = 0;
        await this.#pause(1000 * Math.random());
      } else {
        this.#retryAt = Date.now() + backoff(failures++);
        do await this.#pause(await this.#poll());
        while (isOn() && (Date.now() < this.#retryAt || isHidden()));
      }
    }
  }

  // Whether it was worth it. Out of sight there is no stream: browsers open only six to one host.
  async #listen() {
    const { signal } = (this.#stream = new AbortController());
    const startedAt = Date.now();
    let isHeard = false;
    let silence = setTimeout(() => this.#stream.abort(), FIRST_EVENT_MS);
    if (this.connection === "idle") this.#tell("connecting");
    try {
      const headers = { Accept: "text/event-stream", ...(this.#lastId && { "Last-Event-ID": this.#lastId }) };
      const { body } = await this.#send("GET", "/stream", { headers, signal });
      const feed = eventReader((event) => { isHeard = true; this.#hear(event); });
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece; !(piece = await reader.read()).done; ) {
        feed(piece.value);
        if (!isHeard) continue;
        this.#tell("live");
        clearTimeout(silence);
        silence = setTimeout(() => this.#stream.abort(), SILENCE_MS);
      }
    } catch { /* refused or cut: polling tells which */ }
    clearTimeout(silence);
    return isHeard && Date.now() - startedAt > SHORT_MS;
  }

  #hear({ type, data, id }) {
    const told = JSON.parse(data);
    if (type === "snapshot") this.#snapshot(told);
    else if (type === "job") this.#take(told);
    else if (type === "gone") this.#drop(told.id);
    if (id) this.#lastId = id;
  }

  // How long to wait before the next time.
  async #poll() {
    try {
      const page = await this.#ask("GET", "?limit=100&status=pending&status=scheduled&status=processing");
      this.#snapshot({ jobs: page.jobs, isComplete: !page.hasMore });
      this.#tell("polling");
      return isHidden() ? 10 * POLL_MS : POLL_MS;
    } catch (error) {
      this.#tell([401, 403, 404].includes(error.status) ? "refused" : "lost");
      return Math.max(1000 * (error.retryAfterSeconds ?? 0), Math.min(WAIT_MAX_MS, this.#retryAt - Date.now()), POLL_MS);
    }
  }
}

export const TEXTS = {
  region: "Background jobs",
  title: ({ title, type = "" }) => title ?? (type.charAt(0).toUpperCase() + type.slice(1)).replaceAll(/[-_.]/g, " "),
  pending: "Started", scheduled: "Scheduled", processing: "Running", stopping: "Stopping",
  completed: "Completed", failed: "Failed", dead: "Failed", cancelled: "Cancelled",
  of: (done, total) => `${done.toLocaleString()} of ${total.toLocaleString()}`,
  left: (s) => (s < 90 ? `about ${Math.ceil(s / 5) * 5} s left` : s < 5400 ? `about ${Math.round(s / 60)} min left` : `about ${Math.round(s / 3600)} h left`),
  succeeded: "succeeded", blocked: "blocked", unsuccessful: "failed",
  details: "Details", cancel: "Cancel", retry: "Try again", retryFailed: "Try the failed ones again", dismiss: "Dismiss",
};

const STATES = { pending: "started", scheduled: "started", processing: "running", dead: "failed" };

export function describe(job, nowMs, texts = TEXTS) {
  const { done, total, note, reasons, succeeded, blocked, failed } = job.progress ?? {};
  const state = STATES[job.status] ?? job.status;
  const isOver = isEnded(job);
  const seconds = (nowMs - Date.parse(job.startedAt)) / 1000;
  const text = [texts[job.isCancelRequested && !isOver ? "stopping" : job.status]];
  if (total && state !== "started") text.push(texts.of(done ?? 0, total));
  if (state === "running" && done > 0 && total > done && seconds > 1) text.push(texts.left((seconds / done) * (total - done)));
  return {
    state, total, done: done ?? 0,
    text: text.join(" · "),
    more: (state === "failed" ? job.errorMessage : state === "running" && note) || "",
    counts: Object.entries({ succeeded, blocked, unsuccessful: failed }).filter(([, count]) => isOver && count > 0),
    reasons: Object.entries(reasons ?? {}),
    canCancel: !isOver && !job.isCancelRequested,
    retry: state === "completed" && failed ? { onlyFailedItems: true } : ["failed", "cancelled"].includes(state) ? {} : null,
  };
}

const CSS = `
:host { color-scheme: light dark; font: var(--crmd-font, 14px/1.45 system-ui, sans-serif); color: var(--crmd-text, light-dark(#1b1f24, #f0f2f4));
  --accent: var(--crmd-accent, light-dark(#2f5bea, #8ea8ff)); --good: var(--crmd-good, light-dark(#1a7440, #62d394));
  --bad: var(--crmd-bad, light-dark(#b8232a, #ff9090)); --soft: var(--crmd-soft, light-dark(#59636e, #a9b1bb));
  --line: var(--crmd-line, light-dark(#d5dae0, #3a4048)); display: block; }
:host(crmd-job-toasts) { position: fixed; z-index: 1000; inset: auto 16px 16px auto; width: min(360px, 100vw - 32px); pointer-events: none; }
.list { display: grid; gap: 10px; max-height: 80vh; overflow-y: auto; }
.card { pointer-events: auto; display: grid; gap: 6px; padding: 12px 14px; border: 1px solid var(--line); border-inline-start: 3px solid var(--tone);
  border-radius: var(--crmd-radius, 10px); background: var(--crmd-surface, light-dark(#fff, #1d2126)); --tone: var(--accent); }
.list .card { box-shadow: 0 4px 16px rgb(0 0 0 / .15); }
.card[data-state=completed] { --tone: var(--good); } .card[data-state=failed] { --tone: var(--bad); } .card[data-state=cancelled] { --tone: var(--soft); }
.row { display: flex; gap: 4px 12px; align-items: center; flex-wrap: wrap; } .title { flex: 1; }
p, ul { margin: 0; padding: 0; list-style: none; overflow-wrap: anywhere; } .text { color: var(--tone); }
.more, details { color: var(--soft); } .problem, .unsuccessful { color: var(--bad); } .succeeded { color: var(--good); }
progress { width: 100%; height: 8px; accent-color: var(--accent); }
button { font: inherit; color: inherit; min-height: 30px; min-width: 30px; border: 1px solid var(--line); border-radius: 6px; background: none; }
button:hover { border-color: currentcolor; } :focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); } [hidden] { display: none !important; }`;
let sheet;

function make(name, part, ...children) {
  const element = document.createElement(name);
  element.className = part;
  element.part = part;
  element.append(...children);
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

// The picture of one job; it is changed in place, so that focus stays where it is.
function card(status, id, texts, { onClose, onRetry }) {
  const [title, text, more, problem, bar, counts, reasons, summary] = Object.entries({ title: "strong", text: "p", more: "p",
    problem: "p", bar: "progress", counts: "ul", reasons: "ul", summary: "summary" }).map(([part, name]) => make(name, part));
  const details = make("details", "details", summary, reasons);
  let view;
  const act = (part, work) => {
    const button = make("button", part);
    button.onclick = () => {
      write(problem, "");
      Promise.resolve(work()).catch((error) => error.status !== 409 && write(problem, error.message)); // 409: it has just ended
    };
    return button;
  };
  const cancel = act("cancel", () => status.cancelJob(id));
  const retry = act("retry", () => status.retryJob(id, view.retry).then(({ jobId }) => onRetry?.(jobId)));
  const close = act("close", () => onClose?.());
  const element = make("article", "card", make("div", "row", title, close), text, bar, more, counts, details, problem, make("div", "row", cancel, retry));
  element.onkeydown = ({ key }) => { if (key === "Escape") onClose?.(); };
  problem.role = "alert";
  counts.classList.add("row");
  write(summary, texts.details);
  const draw = (job) => {
    view = describe(job, Date.now() + status.skewMs, texts);
    view.name = texts.title(job);
    element.dataset.state = view.state;
    element.ariaLabel = bar.ariaLabel = view.name;
    close.ariaLabel = `${texts.dismiss}: ${view.name}`;
    write(close, onClose ? "✕" : "");
    for (const [one, words] of [[title, view.name], [text, view.text], [more, view.more], [cancel, view.canCancel && texts.cancel],
      [retry, view.retry && texts[view.retry.onlyFailedItems ? "retryFailed" : "retry"]]]) write(one, words || "");
    bar.hidden = view.state !== "running";
    if (view.total) [bar.max, bar.value] = [view.total, view.done];
    else bar.removeAttribute("value");
    counts.replaceChildren(...view.counts.map(([kind, count]) => make("li", kind, `${count.toLocaleString()} ${texts[kind]}`)));
    reasons.replaceChildren(...view.reasons.map(([reason, count]) => make("li", "reason", `${reason}: ${count.toLocaleString()}`)));
    details.hidden = !view.reasons.length;
    return view;
  };
  return { element, details, draw };
}

class JobElement extends (globalThis.HTMLElement ?? class {}) {
  #status; #end;
  texts = {};

  get status() { return this.#status; }

  set status(status) {
    this.#status = status;
    this.connectedCallback();
  }

  get said() { return { ...TEXTS, ...this.texts }; }

  show(...elements) {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(CSS);
    root.adoptedStyleSheets = [sheet];
    root.replaceChildren(...elements);
  }

  connectedCallback() {
    this.disconnectedCallback();
    if (!this.isConnected || !this.#status) return;
    const ends = [this.begin(), this.#status.subscribe(() => this.draw())];
    const timer = setInterval(() => this.draw(), 1000);
    this.#end = () => { clearInterval(timer); ends.forEach((end) => end?.()); };
    this.draw();
  }

  disconnectedCallback() {
    this.#end?.();
    this.#end = undefined;
  }
}

class JobToasts extends JobElement {
  #cards; #list; #polite; #alert;

  begin() {
    this.#cards = new Map();
    [this.#list, this.#polite, this.#alert] = ["list", "said", "said"].map((part) => make("div", part));
    Object.assign(this.#list, { role: "region", ariaLabel: this.said.region });
    [this.#polite.role, this.#alert.role] = ["status", "alert"];
    this.show(this.#list, this.#polite, this.#alert);
  }

  draw() {
    const { jobs } = this.status;
    for (const [id, { element }] of this.#cards) if (!jobs.has(id)) this.#remove(id, element);
    for (const [id, job] of [...jobs].reverse()) {
      if (!this.#cards.has(id)) {
        this.#cards.set(id, card(this.status, id, this.said, { onClose: () => this.status.dismiss(id) }));
        this.#list.prepend(this.#cards.get(id).element);
      }
      this.#update(id, job, this.#cards.get(id));
    }
  }

  #update(id, job, one) {
    const { state, name, text, more, counts, total, done, retry } = one.draw(job);
    const mark = state + (total ? Math.floor((4 * done) / total) : ""); // said aloud: each state, each quarter
    if (mark !== one.mark) {
      const words = [`${name}: ${text}`, ...counts.map(([kind, count]) => `${count} ${this.said[kind]}`), more];
      (state === "failed" ? this.#alert : this.#polite).textContent = words.join(", ");
    }
    // What went well goes by itself, once nobody looks at it; the rest stays until it is dismissed.
    const isHeld = !isEnded(job) || retry || one.details.open || document.hidden || one.element.matches(":hover, :focus-within");
    if (isHeld || mark !== one.mark) one.heldAt = Date.now();
    else if (Date.now() - one.heldAt > 1000 * (this.getAttribute("dismiss-after") ?? 10)) this.status.dismiss(id);
    one.mark = mark;
  }

  #remove(id, element) {
    const hadFocus = element.matches(":focus-within");
    this.#cards.delete(id);
    element.remove();
    if (hadFocus) this.#list.querySelector(".close")?.focus();
  }
}

class JobProgress extends JobElement {
  static observedAttributes = ["job-id"];
  #card;

  attributeChangedCallback() { this.connectedCallback(); }

  begin() {
    const id = this.getAttribute("job-id");
    this.#card = card(this.status, id, this.said, { onRetry: (next) => this.setAttribute("job-id", next) });
    this.show(this.#card.element);
    return id ? this.status.watch(id) : undefined;
  }

  draw() {
    const job = this.status.peek(this.getAttribute("job-id"));
    this.#card.element.hidden = !job;
    if (job) this.#card.draw(job);
  }
}

globalThis.customElements?.define("crmd-job-toasts", JobToasts);
globalThis.customElements?.define("crmd-job-progress", JobProgress);
