// Line icons of 16 by 16, drawn here.

import { s } from "./dom.js";

const PATHS = {
  overview: "M2.5 8.5h3l2-5 2.5 9 1.8-4h1.7",
  jobs: "M3 4h10M3 8h10M3 12h6",
  dead: "M8 5.2v3.6M8 11.2v.1M8 2.2 14 13H2z",
  schedules: "M8 4.6V8l2.3 1.5M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z",
  queues: "M2.5 3.5h11v2.6h-11zM2.5 9.9h7v2.6h-7z",
  connections: "M6.7 9.3 9.3 6.7M7.6 4.6l1.3-1.3a2.7 2.7 0 0 1 3.8 3.8l-1.3 1.3M8.4 11.4l-1.3 1.3a2.7 2.7 0 0 1-3.8-3.8l1.3-1.3",
  plugins: "M6 2.5v3M10 2.5v3M4 5.5h8v2.3a4 4 0 0 1-8 0zM8 11.8v1.9",
  daemons: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.1M5 11h.1",
  events: "M8.8 2 4 9h3.6l-.6 5L12 7H8.4z",
  audit: "M4 2.5h5.5L12 5v8.5H4zM6 7.5h4M6 10h4",
  keys: "M9.9 9.2a3.4 3.4 0 1 0-3.2-3.4c0 .5.1 1 .3 1.5L2.5 11.800v1.700h2.400v-1.500h1.500v-1.500h1.200l.9-.9c.4.1.9.2 1.4 0zM10.5 5.500h.1",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.7 10.7 14 14",
  menu: "M2.5 4.500h11M2.5 8h11M2.5 11.500h11",
  close: "M4 4l8 8M12 4l-8 8",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.500v1M8 13.500v1M1.5 8h1M13.5 8h1M3.4 3.400l.7.7M11.9 11.900l.7.7M3.4 12.600l.7-.7M11.9 4.100l.7-.7",
  moon: "M13.3 9.600A5.8 5.8 0 0 1 6.4 2.700a5.8 5.8 0 1 0 6.9 6.900z",
  auto: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 2v12",
  done: "M3 8.5 6.5 12 13 4.5",
  retry: "M13 8a5 5 0 1 1-1.6-3.700M13 2.500v2.700h-2.7",
  pause: "M5.5 3.500v9M10.5 3.500v9",
  play: "M5 3.200v9.600L12.5 8z",
  leave: "M6.5 3h-3v10h3M10 5l3 3-3 3M13 8H6.5",
  plus: "M8 3v10M3 8h10",
};

/** An icon; it says nothing to screen readers, so a word or a label goes with it. */
export function icon(name, size = 16) {
  return s(
    "svg",
    { width: size, height: size, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    s("path", {
      d: PATHS[name],
      fill: "none",
      stroke: "currentColor",
      "stroke-width": size > 20 ? 1.1 : 1.5,
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
    }),
  );
}
