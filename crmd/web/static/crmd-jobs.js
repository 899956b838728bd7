// Background jobs in web pages, under a strict Content-Security-Policy. crmd-jobs.d.ts explains it all.

const MAX = 100; // followed, shown, asked for
const POLL_MS = 3000;
const WAIT_MAX_MS = 30000;
const FIRST_EVENT_MS = 10000; // then a proxy holds the stream back
const SILENCE_MS = 45000; // the server beats every 15 s
const SHORT_MS = 5000; // a shorter stream is as good as none

export const isEnded = ({ status }) => !["pending", "scheduled", "processing"].includes(status);

// Takes text/event-stream piece by piece.
export function eventReader(hear) {
	let rest = "", event = {};
	const read = (line) => {
		const [field, value = ""] = line.split(/: ?(.*)/s);
		if (field) event[field] = field === "data" && event.data !== undefined ? `${event.data}\n${value}` : value;
		if (line) return;
		if (event.data !== undefined) hear(event);
		event = {};
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
		const hurry = () => { this.#retryAt = 0; this.#wake(); };
		on("online", hurry);
		on("offline", () => this.#stream?.abort());
		on("visibilitychange", () => (isHidden() ? this.#stream?.abort() : hurry()));
		this.#run();
	}

	get jobs() {
		const isOther = ({ id, parentId, status }) => !parentId && status !== "scheduled" && !this.#dismissed.has(id);
		const isShown = (job) => job.id in this.#followed || (this.#all && isOther(job));
		return this.#shown ??= new Map([...this.#known].filter(([, job]) => isShown(job))
			.sort(([, a], [, b]) => Date.parse(b.createdAt) - Date.parse(a.createdAt)).slice(0, MAX));
	}

	get activeJobs() { return new Map([...this.jobs].filter(([, job]) => !isEnded(job))); }

	peek(id) { return this.#known.get(id); }

	subscribe = (listener) => {
		this.addEventListener("change", listener);
		return () => this.removeEventListener("change", listener);
	};

	// One job by its key, however often the answer is lost.
	async createJob({ title, idempotencyKey = crypto.getRandomValues(new Uint32Array(4)).join("-"), ...job }) {
		const made = await this.#ask("POST", "", { body: job, headers: { "Idempotency-Key": idempotencyKey }, tries: 4 });
		return this.#begin(made, job.type, title);
	}

	cancelJob(id, reason) {
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
				const isPassing = !error.status || error.status === 503;
				if (++failures >= tries || !isPassing || this.#closing.signal.aborted) throw error;
				await new Promise((wake) => setTimeout(wake, backoff(failures)));
			}
		}
	}

	async #send(method, path, { headers, body, signal = this.#closing.signal }) {
		const own = { Authorization: `Bearer ${await this.#token()}`, "Content-Type": "application/json", ...headers };
		const response = await fetch(this.#base + path, { method, headers: own, body: body && JSON.stringify(body), signal, cache: "no-store" });
		const date = Date.parse(response.headers.get("Date"));
		if (date) this.skewMs = date - Date.now();
		if (response.ok) return response;
		const { status } = response;
		const problem = await response.json().catch(() => ({}));
		const retryAfterSeconds = Number(response.headers.get("Retry-After")) || 0;
		throw Object.assign(new Error(problem.detail || `The server answered ${status}.`), { status, problem, retryAfterSeconds });
	}

	// What is followed lies in storage: for other tabs, and after a reload.
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
		try { localStorage.setItem(this.#base, JSON.stringify(this.#followed)); } catch { /* good for this page only */ }
		this.#changed();
	}

	#isMine(id) { return this.#all || id in this.#followed || this.#watched.get(id) > 0; }

	#isNeeded() {
		const isOpen = (id) => this.#isMine(id) && !(this.#known.has(id) && isEnded(this.peek(id)));
		return this.#all || [...Object.keys(this.#followed), ...this.#watched.keys()].some(isOpen);
	}

	#changed() {
		this.#shown = undefined;
		if (!this.#isNeeded()) this.#stream?.abort();
		else if (this.connection === "idle") this.#wake();
		if (!this.#isTelling) queueMicrotask(() => { this.#isTelling = false; this.dispatchEvent(new Event("change")); });
		this.#isTelling = true;
	}

	#tell(state) {
		if (state === this.connection) return;
		this.connection = state;
		this.dispatchEvent(new Event("connection"));
	}

	#take(job) {
		if (!this.#isMine(job.id)) return;
		const previous = this.peek(job.id);
		job.title = this.#followed[job.id]?.title;
		this.#known.set(job.id, job);
		if (this.#known.size > 20 * MAX) this.#known.delete(this.#known.keys().next().value);
		this.dispatchEvent(new CustomEvent("job", { detail: { job, previous } }));
		this.#changed();
	}

	#drop(id) {
		if (!this.#isMine(id)) return;
		this.#known.delete(id);
		this.dismiss(id);
	}

	// Other errors: the next change is told anyway.
	#refresh(id) { this.getJob(id).catch(({ problem }) => problem?.type?.endsWith(":not-found") && this.#drop(id)); }

	// What it leaves out has ended or is gone: one has to ask.
	#snapshot({ jobs, isComplete }) {
		const told = new Set(jobs.map((job) => job.id));
		const isLost = (job) => !isEnded(job) && !told.has(job.id) && this.#isMine(job.id) && (isComplete || !this.#all);
		const lost = [...this.#known.values()].filter(isLost);
		jobs.forEach((job) => this.#take(job));
		lost.slice(0, MAX).forEach((job) => this.#refresh(job.id));
	}

	#pause(ms) { return new Promise((wake) => setTimeout(this.#wake = wake, ms)); }

	async #run() {
		const isOn = () => this.#isNeeded() && !this.#closing.signal.aborted;
		for (let failures = 0; !this.#closing.signal.aborted; ) {
			const isGood = isOn() && !isHidden() && (await this.#listen());
			if (!isOn()) {
				this.#tell("idle");
				await this.#pause(1e9);
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

	// Whether it was worth it. None out of sight: browsers open only six to a host.
	async #listen() {
		const { signal } = (this.#stream = new AbortController());
		const startedAt = Date.now();
		let isHeard = false;
		let silence = setTimeout(() => this.#stream.abort(), FIRST_EVENT_MS);
			try {
			const headers = { Accept: "text/event-stream", ...(this.#lastId && { "Last-Event-ID": this.#lastId }) };
			const { body } = await this.#send("GET", "/stream", { headers, signal });
			const feed = eventReader((told) => { isHeard = true; this.#hear(told); });
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

	#hear({ event, data, id }) {
		const told = JSON.parse(data);
		if (event === "snapshot") this.#snapshot(told);
		else if (event === "job") this.#take(told);
		else if (event === "gone") this.#drop(told.id);
		if (id) this.#lastId = id;
	}

	// Answers how long to wait.
	async #poll() {
		try {
			const page = await this.#ask("GET", "?limit=100&status=pending&status=scheduled&status=processing");
			this.#snapshot({ jobs: page.jobs, isComplete: !page.hasMore });
			this.#tell("polling");
			return isHidden() ? 10 * POLL_MS : POLL_MS;
		} catch (error) {
			this.#tell([401, 403, 404].includes(error.status) ? "refused" : "lost");
			return Math.max(1000 * (error.retryAfterSeconds || 0), this.#retryAt - Date.now(), POLL_MS);
		}
	}
}

export const TEXTS = {
	region: "Jobs",
	title: ({ title, type = "" }) => title ?? type.replace(/[-_.]/g, " ").replace(/^./, (first) => first.toUpperCase()),
	pending: "Started", scheduled: "Scheduled", processing: "Running", stopping: "Stopping",
	completed: "Completed", failed: "Failed", dead: "Failed", cancelled: "Cancelled",
	of: (done, total) => `${done.toLocaleString()} of ${total.toLocaleString()}`,
	left: (s) => `about ${s < 90 ? `${Math.ceil(s / 5) * 5} s` : s < 5400 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`} left`,
	succeeded: "succeeded", blocked: "blocked", unsuccessful: "failed",
	details: "Details", cancel: "Cancel", retry: "Try again", retryFailed: "Try failed ones again", dismiss: "Dismiss",
};

const STATES = { pending: "started", scheduled: "started", processing: "running", dead: "failed" };

export function describe(job, nowMs) {
	const { total, note, reasons, succeeded, blocked, failed } = job.progress ?? {};
	const done = job.progress?.done ?? 0;
	const state = STATES[job.status] ?? job.status;
	const isOver = isEnded(job);
	const seconds = (nowMs - Date.parse(job.startedAt)) / 1000;
	const text = [TEXTS[job.isCancelRequested && !isOver ? "stopping" : job.status]];
	if (total && state !== "started") text.push(TEXTS.of(done, total));
	if (state === "running" && done && total > done && seconds > 1) text.push(TEXTS.left((seconds / done) * (total - done)));
	return {
		state, total, done,
		text: text.join(" · "),
		more: (state === "failed" ? job.errorMessage : state === "running" && note) || "",
		counts: Object.entries({ succeeded, blocked, unsuccessful: failed }).filter(([, count]) => isOver && count > 0),
		reasons: Object.entries(reasons ?? {}),
		canCancel: !isOver && !job.isCancelRequested,
		retry: !isOver || (state === "completed" && !failed) ? null : state === "completed" ? { onlyFailedItems: true } : {},
	};
}

const sheet = globalThis.CSSStyleSheet && new CSSStyleSheet();
sheet?.replaceSync(`
:host { color-scheme: light dark; display: block; font: 14px/1.45 system-ui, sans-serif; color: light-dark(#1b1f24, #f0f2f4);
	--accent: var(--crmd-accent, light-dark(#2f5bea, #8ea8ff));
	--bad: var(--crmd-bad, light-dark(#b8232a, #ff9090)); --soft: var(--crmd-soft, light-dark(#59636e, #a9b1bb));
	--line: var(--crmd-line, light-dark(#d5dae0, #3a4048));}
.list { position: fixed; z-index: 1000; inset: auto 8px 8px auto; width: min(360px, 100vw - 32px); padding: 8px;
	display: grid; gap: 10px; max-height: 80vh; overflow-y: auto; }
.card { display: grid; gap: 6px; padding: 12px 14px; border: 1px solid var(--line); border-inline-start: 3px solid var(--tone);
	border-radius: var(--crmd-radius, 10px); background: var(--crmd-surface, light-dark(#fff, #1d2126)); --tone: var(--accent); box-shadow: 0 2px 6px #0002; }
[data-state=completed] { --tone: var(--crmd-good, light-dark(#1a7440, #62d394)); }
[data-state=failed] { --tone: var(--bad); } [data-state=cancelled] { --tone: var(--soft); }
.row, .counts { display: flex; gap: 4px 12px; align-items: center; flex-wrap: wrap; } .title { flex: 1; }
p, ul { margin: 0; padding: 0; list-style: none; overflow-wrap: anywhere; } .text { color: var(--tone); }
.more, details { color: var(--soft); } .problem, .unsuccessful { color: var(--bad); }
progress { width: 100%; height: 8px; accent-color: var(--accent); }
button { font: inherit; color: inherit; padding: 4px 10px; border: 1px solid var(--line); border-radius: 6px; background: none; }
.close { border-color: #0000; }
.said { position: fixed; opacity: 0; pointer-events: none; } [hidden] { display: none !important; }`);

function make(name, part, ...children) {
	const element = document.createElement(name);
	element.className = part;
	element.part = part;
	element.append(...children);
	return element;
}

function write(element, text) {
	element.hidden = !text;
	if (text && element.textContent !== text) element.textContent = text;
}

// One job's picture, changed in place: focus stays where it is.
function card(status, id, { onClose, onRetry }) {
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
	const close = act("close", onClose);
	const [head, foot] = [make("div", "row", title, close), make("div", "row", cancel, retry)];
	const element = make("article", "card", head, text, bar, more, counts, details, problem, foot);
	element.onkeydown = ({ key }) => { if (key === "Escape") onClose?.(); };
	problem.role = "alert";
	write(summary, TEXTS.details);
	const draw = (job) => {
		view = describe(job, Date.now() + status.skewMs);
		view.name = TEXTS.title(job);
		element.dataset.state = view.state;
		element.ariaLabel = bar.ariaLabel = view.name;
		close.ariaLabel = `${TEXTS.dismiss}: ${view.name}`;
		write(close, onClose && "✕");
		for (const [one, words] of [[title, view.name], [text, view.text], [more, view.more], [cancel, view.canCancel && TEXTS.cancel],
			[retry, view.retry && TEXTS[view.retry.onlyFailedItems ? "retryFailed" : "retry"]]]) write(one, words);
		bar.hidden = view.state !== "running";
		if (view.total) [bar.max, bar.value] = [view.total, view.done];
		else bar.removeAttribute("value");
		counts.replaceChildren(...view.counts.map(([kind, count]) => make("li", kind, `${count.toLocaleString()} ${TEXTS[kind]}`)));
		reasons.replaceChildren(...view.reasons.map(([reason, count]) => make("li", "reason", `${reason}: ${count.toLocaleString()}`)));
		details.hidden = !view.reasons.length;
		return view;
	};
	return { element, details, draw };
}

class JobElement extends (globalThis.HTMLElement ?? class {}) {
	#status; #end;

	get status() { return this.#status; }

	set status(status) {
		this.#status = status;
		this.connectedCallback();
	}

	show(...elements) {
		const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
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
		Object.assign(this.#list, { role: "region", ariaLabel: TEXTS.region });
		[this.#polite.role, this.#alert.role] = ["status", "alert"];
		this.show(this.#list, this.#polite, this.#alert);
	}

	draw() {
		const { jobs } = this.status;
		for (const [id, { element }] of this.#cards) if (!jobs.has(id)) this.#remove(id, element);
		for (const [id, job] of [...jobs].reverse()) {
			if (!this.#cards.has(id)) {
				this.#cards.set(id, card(this.status, id, { onClose: () => this.status.dismiss(id) }));
				this.#list.prepend(this.#cards.get(id).element);
			}
			this.#update(id, job, this.#cards.get(id));
		}
	}

	#update(id, job, one) {
		const { state, name, text, more, counts, total, done, retry } = one.draw(job);
		const mark = state + (total ? Math.floor((4 * done) / total) : ""); // said aloud: each state, each quarter
		if (mark !== one.mark) {
			const words = [`${name}: ${text}`, ...counts.map(([kind, count]) => `${count} ${TEXTS[kind]}`), more];
			(state === "failed" ? this.#alert : this.#polite).textContent = words.join(", ");
		}
		// What went well goes by itself once nobody looks; the rest stays.
		const isHeld = !isEnded(job) || retry || one.details.open || isHidden() || one.element.matches(":hover, :focus-within");
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
		this.#card = card(this.status, id, { onRetry: (next) => this.setAttribute("job-id", next) });
		this.show(this.#card.element);
		return id ? this.status.watch(id) : null;
	}

	draw() {
		const job = this.status.peek(this.getAttribute("job-id"));
		this.#card.element.hidden = !job;
		if (job) this.#card.draw(job);
	}
}

globalThis.customElements?.define("crmd-job-toasts", JobToasts);
globalThis.customElements?.define("crmd-job-progress", JobProgress);
