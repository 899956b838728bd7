// Requests to the API, with the key of this tab. The key is in sessionStorage: it goes with the tab, and never into an address.

const PLACE = "crmd.key";
let onEnd = () => {};

export const session = {
  get key() {
    return sessionStorage.getItem(PLACE);
  },
  begin(key) {
    sessionStorage.setItem(PLACE, key);
  },
  end(reason = "") {
    sessionStorage.removeItem(PLACE);
    onEnd(reason);
  },
  /** Called when the key is given up or no longer good. */
  whenEnded(callback) {
    onEnd = callback;
  },
};

/** An answer that is no success: one sentence, and perhaps the next step. */
export class Refusal extends Error {
  constructor(status, sentence, hint = "", errors = []) {
    super(sentence);
    this.status = status;
    this.hint = hint;
    this.errors = errors;
  }
}

/** Headers of every request. */
export function headers(key = session.key) {
  return { Authorization: `Bearer ${key}` };
}

/** An address with what stands behind the question mark; empty values are left out, lists are repeated. */
export function address(path, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") search.append(name, one);
    }
  }
  return search.size ? `${path}?${search}` : path;
}

/** Ask the API.
 * @throws {Refusal} */
export async function ask(method, path, { query, body, signal, key = session.key } = {}) {
  let answer;
  try {
    answer = await fetch(address(path, query), {
      method,
      signal,
      cache: "no-store",
      headers: { ...headers(key), ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The daemon does not answer.", "It may be restarting; this page tries again by itself.");
  }
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  const told = isJson ? await answer.json().catch(() => null) : null;
  if (answer.ok) return told;
  if (answer.status === 401 && key === session.key) session.end("The key is no longer good. Log in again.");
  throw new Refusal(
    answer.status,
    told?.detail || told?.title || `The daemon answered with status ${answer.status}.`,
    told?.hint ?? "",
    told?.errors ?? [],
  );
}

export const read = (path, query, signal) => ask("GET", path, { query, signal });
export const send = (path, body = {}) => ask("POST", path, { body });

/** Begin a session with a key that may look at the whole installation; throws what to say otherwise. */
export async function enter(key) {
  try {
    await ask("GET", "/api/daemons", { key });
    session.begin(key);
  } catch (error) {
    if (error.status === 401) throw new Refusal(401, "That key is wrong, or it has ended.");
    if (error.status === 404) {
      throw new Refusal(404, "That key is for one workspace; the dashboard shows all of them.", "Make one without a workspace.");
    }
    throw error;
  }
}
