/** What went over the wire and when: one row an event, one row for a run of deltas, one card a function call. */

import { brief, failed } from "./captions.js";

/** @typedef {import("/talkwire.js").Frame} Frame */
/** @typedef {{card: HTMLElement, took: HTMLElement, result: HTMLElement, at: number}} Call */
/** @typedef {{sound: HTMLElement, tool: HTMLElement, events: HTMLElement}} Figures */

const MOST_ROWS = 300;

/** What is worth saying of an event beside its name. @type {Record<string, (event: Frame) => unknown>} */
const DETAILS = {
  error: ({ error }) => error?.message,
  "session.updated": ({ session }) => session?.tools?.length && `${session.tools.length} functions`,
  "conversation.item.added": ({ item }) => item?.role ?? item?.type,
  "conversation.item.create": ({ item }) => item?.role ?? item?.type,
  "conversation.item.truncated": ({ audio_end_ms: ms }) => ms !== undefined && `at ${ms} ms`,
  "conversation.item.input_audio_transcription.completed": ({ transcript }) => transcript,
  "conversation.item.input_audio_transcription.failed": ({ error }) => error?.message,
  "response.done": ({ response }) => response?.status_details?.reason ?? response?.status,
  "response.output_audio_transcript.done": ({ transcript }) => transcript,
  "response.output_text.done": ({ text }) => text,
};

export class Timeline {
  /** @type {Map<string, {count: HTMLElement, row: HTMLElement, seen: number}>} */ #runs = new Map();
  /** @type {Map<string, Call>} */ #calls = new Map();
  /** @type {number | null} when the user finished saying or writing something */ #asked = null;
  #events = 0;
  #start = performance.now();
  #list;
  #figures;

  /** @param {HTMLElement} list an empty `ol` @param {Figures} figures */
  constructor(list, figures) {
    this.#list = list;
    this.#figures = figures;
  }

  clear() {
    this.#runs.clear();
    this.#calls.clear();
    this.#asked = null;
    this.#events = 0;
    this.#start = performance.now();
    this.#list.replaceChildren();
  }

  /** @param {Frame} event put on the data channel for the service */
  sent(event) {
    if (event.type === "conversation.item.create" && event.item?.role === "user") this.#asked = performance.now();
    this.#event(event, "out");
  }

  /** @param {Frame} event from the service */
  received(event) {
    if (event.type === "input_audio_buffer.speech_stopped") this.#asked = performance.now();
    this.#event(event, "in");
    if (event.type === "response.function_call_arguments.done") this.#called(event);
    else if (event.item?.type === "function_call_output") this.#answered(event.item);
    else if (event.type === "output_audio_buffer.started") this.#heard();
  }

  /** @param {string} text what happened outside the wire @param {string} [kind] */
  note(text, kind = "note") {
    this.#row(kind, text);
  }

  /** The call is over: a function that has not answered will not. */
  settle() {
    for (const { card, took } of this.#calls.values()) {
      if (!card.classList.contains("running")) continue;
      card.classList.replace("running", "failed");
      took.textContent = "not answered";
    }
  }

  /** @param {Frame} event @param {"in" | "out"} direction */
  #event(event, direction) {
    this.#figures.events.textContent = String((this.#events += 1));
    const key = `${direction} ${event.type} ${event.item_id ?? ""}`;
    const run = this.#runs.get(key);
    if (run?.row.isConnected) return void (run.count.textContent = `×${(run.seen += 1)}`);
    const detail = brief(DETAILS[event.type]?.(event) || "");
    const row = this.#row(event.type === "error" ? "failed" : direction, event.type, detail);
    if (!event.type.endsWith(".delta")) return;
    const count = row.appendChild(element("span", "count", ""));
    if (this.#runs.size > MOST_ROWS) this.#runs.clear();
    this.#runs.set(key, { count, row, seen: 1 });
  }

  /** @param {Frame} event */
  #called({ call_id: id, name, arguments: text }) {
    if (this.#calls.has(id)) return;
    const card = this.#row("tool running", name);
    const took = card.appendChild(element("span", "took", "running"));
    const facts = card.appendChild(document.createElement("dl"));
    facts.append(element("dt", "", "arguments"), element("dd", "", brief(text, 2000)), element("dt", "", "result"));
    const result = facts.appendChild(element("dd", "result", "…"));
    this.#calls.set(id, { card, took, result, at: performance.now() });
  }

  /** @param {any} item */
  #answered({ call_id: id, output }) {
    const call = this.#calls.get(id);
    if (!call?.card.classList.contains("running")) return;
    const took = duration(performance.now() - call.at);
    call.card.classList.replace("running", failed(output) ? "failed" : "answered");
    call.took.textContent = failed(output) ? `failed after ${took}` : took;
    call.result.textContent = brief(output, 2000);
    this.#figures.tool.textContent = took;
    this.follow();
  }

  #heard() {
    if (this.#asked === null) return;
    const waited = performance.now() - this.#asked;
    this.#asked = null;
    this.#figures.sound.textContent = duration(waited);
    this.note(`first sound after ${duration(waited)}`, "figure");
  }

  /** @param {string} kind @param {string} name @param {string} [detail] */
  #row(kind, name, detail = "") {
    const row = element("li", kind, "");
    const seconds = (performance.now() - this.#start) / 1000;
    const label = element("span", "name", "");
    // A long type may wrap, after one of its dots.
    for (const part of name.split(/(?<=[a-z]\.)(?=[a-z])/)) label.append(part, document.createElement("wbr"));
    if (detail) label.append(" ", element("span", "detail", detail));
    row.append(element("time", "", seconds.toFixed(2)), label);
    const following = this.#atEnd();
    this.#list.append(row);
    while (this.#list.childElementCount > MOST_ROWS) this.#list.firstElementChild?.remove();
    if (following) this.follow();
    return row;
  }

  #atEnd() {
    return this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 60;
  }

  /** Show the newest row. */
  follow() {
    this.#list.scrollTop = this.#list.scrollHeight;
  }
}

/** @param {string} tag @param {string} className @param {string} text */
function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

/** @param {number} ms */
export function duration(ms) {
  return ms < 950 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
