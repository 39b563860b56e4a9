/** Texts of the page: `messages/en.json` and `messages/zh.json`, flat keys, `{name}` placeholders. */

/** @typedef {string | {one?: string, other: string}} Message */

export const LANGUAGES = /** @type {const} */ ({ en: "English", zh: "中文" });
const KEPT = "penult-language";

/** @type {Record<string, Message>} */
let messages = {};
let language = "en";

/** The language that is shown: "en" or "zh". */
export const current = () => language;

/** The language that the user chose on this page, "" for none: then the server finds out by itself. */
export const chosen = () => localStorage.getItem(KEPT) ?? "";

/** The language that was chosen here before, else that in which the server answers this browser.
 * @param {string | null} [wish] the server's answer */
export function preferred(wish) {
  const wanted = [chosen(), wish, ...navigator.languages];
  return wanted.map((one) => (one ?? "").slice(0, 2).toLowerCase()).find((one) => one in LANGUAGES) ?? "en";
}

/** Load a language's texts. A choice of the user's is remembered.
 * @param {string} name
 * @param {boolean} [keep] */
export async function speak(name, keep = false) {
  const answer = await fetch(`/assets/messages/${name}.json`);
  messages = await answer.json();
  language = name;
  document.documentElement.lang = name === "zh" ? "zh-CN" : name;
  if (keep) localStorage.setItem(KEPT, name);
}

/** The text of a key. Numbers are written as the language does; `count` chooses between "one" and "other".
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string} */
export function t(key, values = {}) {
  let message = messages[key] ?? key;
  if (typeof message !== "string") message = (new Intl.PluralRules(language).select(Number(values.count)) === "one" && message.one) || message.other;
  return message.replace(/\{(\w+)\}/g, (all, name) => {
    const value = values[name];
    return value === undefined ? all : typeof value === "number" ? number(value) : value;
  });
}

/** A key that may have no text of its own.
 * @param {string} key */
export const known = (key) => key in messages;

/** @param {number} value @param {number} [digits] */
export const number = (value, digits = 0) => value.toLocaleString(language, { maximumFractionDigits: digits, minimumFractionDigits: digits });

/** A share as the report writes it: "98.7%".
 * @param {number} share @param {number} [digits] */
export const percent = (share, digits = 1) => `${number(100 * share, digits)}%`;

/** A probability as a person reads it: never 0% or 100%.
 * @param {number} p */
export const probability = (p) => (p > 0.99 ? "> 99%" : p < 0.01 ? "< 1%" : percent(p, 0));
