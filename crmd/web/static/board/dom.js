// Elements made and renewed in place, so that a page that refreshes keeps its focus, its scroll and what is open.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `on` holds listeners, `css` style properties, `prop` properties; false and null leave out. */
export function h(tag, given, ...children) {
  return filled(document.createElement(tag), given, children);
}

/** An element of SVG. */
export function s(tag, given, ...children) {
  return filled(document.createElementNS(SVG, tag), given, children);
}

function filled(element, given, children) {
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") listen(element, value);
    else if (name === "css") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name === "prop") Object.assign(element, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Listeners go through a table on the element, so that renewing it only exchanges the table.
function listen(element, table) {
  element.heard = table;
  for (const kind of Object.keys(table)) element.addEventListener(kind, heard);
}

function heard(event) {
  return event.currentTarget.heard?.[event.type]?.call(event.currentTarget, event);
}

/** Make what is inside `root` look like `children`, changing only what differs. */
export function renew(root, ...children) {
  const wanted = document.createElement(root.tagName);
  wanted.append(...children.flat(Infinity).filter(Boolean));
  renewChildren(root, wanted);
}

function renewChildren(root, wanted) {
  const keyed = new Map();
  for (const child of root.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
  let at = root.firstChild;
  for (const next of [...wanted.childNodes]) {
    const key = keyOf(next);
    const old = key ? keyed.get(key) : at && !keyOf(at) && alike(at, next) ? at : null;
    if (!old || !alike(old, next)) {
      root.insertBefore(next, at);
      continue;
    }
    if (old === at) at = at.nextSibling;
    else root.insertBefore(old, at);
    keyed.delete(key);
    renewOne(old, next);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset?.key : undefined;
}

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
}

function renewOne(old, next) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
    return;
  }
  if (next.heard) {
    if (old.heard) {
      for (const kind of Object.keys(next.heard)) if (!old.heard[kind]) old.addEventListener(kind, heard);
      old.heard = next.heard;
    } else listen(old, next.heard);
  } else old.heard = undefined;
  if ("shown" in next) {
    old.shown = next.shown;
    return;
  }
  renewAttributes(old, next);
  if (!holdsInput(old)) renewChildren(old, next);
}

// Whatever a person is typing into, or has opened, stays theirs.
function renewAttributes(old, next) {
  const isTheirs = (name) => name === "open" && old.tagName === "DETAILS";
  for (const { name, value } of [...next.attributes]) {
    if (isTheirs(name) || old.getAttribute(name) === value) continue;
    if (name === "style") old.style.cssText = value; // as an attribute, the Content-Security-Policy refuses it
    else old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!isTheirs(name) && !next.hasAttribute(name)) old.removeAttribute(name);
  }
  if (old.tagName === "INPUT" && old !== document.activeElement && old.value !== next.value) old.value = next.value;
}

function holdsInput(element) {
  return element.tagName === "TEXTAREA" || (element.tagName === "SELECT" && element === document.activeElement);
}
