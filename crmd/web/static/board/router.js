// Addresses of pages: `#/jobs/<id>?status=dead`. They hold what is shown, and never a key.

/** The page, its parameter and its filters that an address names. */
export function place(hash = location.hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [name = "", ...rest] = path.split("/");
  return { name: name || "overview", id: decodeURIComponent(rest.join("/")), query: new URLSearchParams(search) };
}

/** The address of a page. */
export function to(name, id = "", query = {}) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== null && value !== undefined && value !== "") search.set(key, value);
  return `#/${name}${id ? `/${encodeURIComponent(id)}` : ""}${search.size ? `?${search}` : ""}`;
}

/** Go to the same page with other filters. */
export function refine(changes) {
  const { name, id, query } = place();
  location.hash = to(name, id, { ...Object.fromEntries(query), ...changes });
}
