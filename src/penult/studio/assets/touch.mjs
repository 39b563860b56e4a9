/** Swipes: a finger that goes to one side, faster than it reads. Scrolling and pinching stay with the browser. */

const FAR = 60; // px

/** @param {HTMLElement} where @param {{left?: () => void, right?: () => void}} acts */
export function swipes(where, acts) {
  let x = 0, y = 0, follows = -1;
  where.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    follows = event.isPrimary ? event.pointerId : -1;
    ({ clientX: x, clientY: y } = event);
  });
  const moved = (/** @type {PointerEvent} */ event) => {
    if (event.pointerId !== follows) return;
    where.style.setProperty("--swipe", `${Math.max(-1, Math.min(1, (event.clientX - x) / (2 * FAR)))}`);
  };
  const ended = (/** @type {PointerEvent} */ event) => {
    if (event.pointerId !== follows) return;
    follows = -1;
    where.style.removeProperty("--swipe");
    const [dx, dy] = [event.clientX - x, event.clientY - y];
    if (event.type !== "pointerup" || Math.abs(dx) < FAR || Math.abs(dx) < 2 * Math.abs(dy)) return;
    if (dx > 0) acts.right?.();
    else acts.left?.();
  };
  where.addEventListener("pointermove", moved);
  where.addEventListener("pointerup", ended);
  where.addEventListener("pointercancel", ended);
}
