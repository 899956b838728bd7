// Light, dark, or as the system has it; kept in this browser.

const PLACE = "crmd.theme";
const ORDER = ["auto", "light", "dark"];

export const theme = () => {
  const kept = localStorage.getItem(PLACE);
  return ORDER.includes(kept) ? kept : "auto";
};

/** Put the theme in force. */
export function applyTheme(next = theme()) {
  if (next === "auto") {
    localStorage.removeItem(PLACE);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(PLACE, next);
    document.documentElement.dataset.theme = next;
  }
}

/** The one after it. */
export const following = () => ORDER[(ORDER.indexOf(theme()) + 1) % ORDER.length];
