/** The places of the page, in the order of the header: a name and how to show it in an element. */

import { mount as begin } from "./place-begin.mjs";
import { mount as done } from "./place-done.mjs";
import { mount as label } from "./place-label.mjs";
import { mount as mend } from "./place-mend.mjs";
import { mount as photos } from "./place-photos.mjs";
import { mount as quality } from "./place-quality.mjs";

/** @type {[import("./types.d.ts").PlaceName, (root: HTMLElement, app: import("./app.mjs").App, options: import("./types.d.ts").PlaceOptions) => import("./types.d.ts").Place][]} */
export const PLACES = [
  ["begin", begin],
  ["label", label],
  ["mend", mend],
  ["photos", photos],
  ["quality", quality],
  ["done", done],
];
