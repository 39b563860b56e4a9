/** Elements, text and marks: everything on the page is made here or with `textContent`, never from markup. */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Make an element. `text` is its text, `class` its classes, `onclick` and the like are listeners; an attribute that is
 * `true` is set empty, one that is `false`, `null` or `undefined` is left out; those that begin with aria- say "true" and "false".
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || (value === false && !name.startsWith("aria-"))) continue;
    if (name === "text") made.textContent = String(value);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
  }
  for (const child of children.flat()) if (child !== null && child !== undefined && child !== false) made.append(child instanceof Node ? child : String(child));
  return made;
}

/**
 * A button that does something.
 * @param {Child | Child[]} content
 * @param {(event: MouseEvent) => void} onclick
 * @param {Record<string, any>} [attributes]
 */
export function button(content, onclick, attributes = {}) {
  return element("button", { type: "button", onclick, ...attributes }, content);
}

/** @param {number} ms */
export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const SHAPES = ["circle", "square", "triangle", "diamond", "cross"];

/**
 * The small colored shape of a class; the report uses the same ones.
 * @param {number} number
 */
export const dot = (number) => element("i", { class: `dot class-${number % 8} shape-${SHAPES[number % SHAPES.length]}`, "aria-hidden": "true" });

/**
 * A key cap.
 * @param {string} name
 */
export const keycap = (name) => element("kbd", { text: name.length === 1 ? name.toUpperCase() : name });

/** Whether keys that are pressed now belong to a control that takes text.
 * @param {EventTarget | null} target */
export const takesText = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && !["checkbox", "radio", "button", "range"].includes(target.type)));
