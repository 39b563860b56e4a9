/** Undo and redo, as every mode of labelling does them. */

import { t } from "./i18n.mjs";

/** Take back the last act, or do it again, and say what came of it. The answer, or null where it failed: the shell tells of that.
 * @param {import("./app.mjs").App} app @param {boolean} forward @param {Record<string, any>} [fields] */
export async function turn(app, forward, fields) {
  const answer = await (forward ? app.redo(fields) : app.undo(fields)).catch(() => null);
  const told = forward ? answer?.redone : answer?.undone;
  if (answer) app.say(t(told ? (forward ? "label.redone" : "label.undone") : forward ? "label.nothing_to_redo" : "label.nothing_to_undo"));
  return answer;
}
