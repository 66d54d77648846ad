/**
 * The conversation as text, in the order of the conversation.
 *
 * Every item of it has a line, in the place `previous_item_id` gives it, so the transcript of a question may come
 * after the answer began and still stands before it. Lines with nothing to read stay hidden.
 */

/** @typedef {import("/talkwire.js").Frame} Frame */
/** @typedef {{line: HTMLLIElement, body: HTMLElement, mark: HTMLElement, parts: Map<number, string>}} Item */

/** @typedef {"user" | "assistant" | "tool" | "service"} Role */
/** @type {Record<Role, string>} */
const SPEAKERS = { user: "You", assistant: "Answer", tool: "Function", service: "Service" };

export class Captions {
  /** @type {Map<string, Item>} */ #items = new Map();
  /** @type {Map<string, Set<string>>} item ids by response */ #responses = new Map();
  /** @type {Map<string, {id: string, at: number}>} by call_id */ #calls = new Map();
  #notes = 0;
  #list;
  #view;
  #announce;

  /**
   * @param {HTMLElement} list an empty `ol`
   * @param {HTMLElement} view what scrolls
   * @param {(text: string) => void} announce what a screen reader should say: only what is not heard anyway
   */
  constructor(list, view, announce) {
    this.#list = list;
    this.#view = view;
    this.#announce = announce;
  }

  clear() {
    this.#items.clear();
    this.#responses.clear();
    this.#calls.clear();
    this.#list.replaceChildren();
    this.#list.hidden = true;
  }

  /** @param {Frame} event from the service */
  take(event) {
    const handle = HANDLERS[event.type];
    if (!handle) return;
    const view = this.#view;
    const atEnd = view.scrollHeight - view.scrollTop - view.clientHeight < 60;
    handle(this, event);
    if (atEnd) view.scrollTop = view.scrollHeight;
  }

  /** The call is over: nothing that is pending will come. */
  settle() {
    for (const { line } of this.#items.values()) line.classList.remove("pending", "growing");
  }

  /** @param {Frame} event an item joined the conversation */
  added({ item, previous_item_id: previous }) {
    if (!item?.id) return;
    this.place(item.id, previous);
    if (item.type === "message") this.message(item);
    else if (item.type === "function_call") this.call(item.id, item);
    else if (item.type === "function_call_output") this.answered(item);
  }

  /** @param {any} item */
  message(item) {
    if (item.role !== "user" && item.role !== "assistant") return;
    const entry = this.#item(item.id, item.role);
    (item.content ?? []).forEach((/** @type {any} */ part, /** @type {number} */ index) => {
      const text = part?.text ?? part?.transcript;
      if (text) this.write(item.id, item.role, index, text);
      else if (part?.type === "input_audio" && !entry.parts.size) this.#await(entry);
    });
    if (item.role === "assistant" && item.status === "incomplete") this.mark(item.id, "cut short");
  }

  /** @param {Frame} event the user said something that will be an item */
  committed({ item_id: id, previous_item_id: previous }) {
    this.place(id, previous);
    const entry = this.#item(id, "user");
    if (!entry.parts.size) this.#await(entry);
  }

  /** @param {string} id @param {string | null | undefined} previous null: the first; not said: the last */
  place(id, previous) {
    const { line } = this.#item(id);
    if (previous === undefined) return;
    /** @type {Element | null} */
    let before = previous === null ? null : this.#item(previous).line;
    // What the service noted after an item stays with it.
    while (before?.nextElementSibling?.matches("[data-role=service]")) before = before.nextElementSibling;
    if (line.previousElementSibling === before) return;
    if (before) before.after(line);
    else this.#list.prepend(line);
  }

  /** @param {Frame} event @param {Role} role */
  grow({ item_id: id, content_index: index = 0, response_id: response, delta }, role) {
    if (response) this.#own(response, id);
    const entry = this.#item(id, role);
    entry.line.classList.add("growing");
    this.write(id, role, index, (entry.parts.get(index) ?? "") + (delta ?? ""));
  }

  /** @param {Frame} event @param {Role} role @param {string} text */
  finish({ item_id: id, content_index: index = 0, response_id: response }, role, text) {
    if (response) this.#own(response, id);
    this.write(id, role, index, text);
    this.#item(id).line.classList.remove("growing");
    if (role === "user" && !text) this.mark(id, "nothing heard");
  }

  /** @param {string} id @param {Role} role @param {number} index @param {string} text */
  write(id, role, index, text) {
    const entry = this.#item(id, role);
    entry.parts.set(index, text);
    entry.line.classList.remove("pending");
    entry.body.textContent = [...entry.parts].sort(([a], [b]) => a - b).map(([, part]) => part).join(" ");
    this.#show(entry);
  }

  /** @param {string} id @param {string} words */
  mark(id, words) {
    const entry = this.#items.get(id);
    if (!entry || entry.line.dataset.role === "tool") return;
    entry.line.classList.remove("pending", "growing");
    entry.line.classList.add("marked");
    entry.mark.textContent = words;
    if (entry.line.dataset.role) this.#show(entry);
  }

  /** @param {string} response @param {string} words */
  markAll(response, words) {
    for (const id of this.#responses.get(response) ?? []) this.mark(id, words);
  }

  /** @param {Frame["response"]} response */
  done(response) {
    const { id, status, status_details: details, output = [] } = response ?? {};
    for (const item of output) if (item?.id) this.#own(id, item.id);
    if (status === "cancelled") this.markAll(id, "interrupted");
    if (status === "incomplete") this.markAll(id, "cut short");
    if (status === "failed") this.note(details?.error?.message ?? "The answer failed.");
  }

  /** @param {string} text a line that is no item */
  note(text) {
    this.write(`note ${(this.#notes += 1)}`, "service", 0, text);
  }

  /** @param {string} id @param {any} call */
  call(id, { call_id: callId, name, arguments: text }) {
    const entry = this.#item(id, "tool");
    if (!this.#calls.has(callId)) this.#calls.set(callId, { id, at: performance.now() });
    if (name) entry.body.textContent = `${name}(${brief(text)})`;
    this.#show(entry);
  }

  /** @param {any} item */
  answered({ call_id: callId, output }) {
    const call = this.#calls.get(callId);
    const entry = call && this.#items.get(call.id);
    if (!entry) return;
    entry.line.classList.toggle("failed", failed(output));
    entry.mark.textContent = `→ ${brief(output, 80)}`;
  }

  /** @param {string} id */
  remove(id) {
    this.#items.get(id)?.line.remove();
    this.#items.delete(id);
  }

  /** @param {string} text */
  announce(text) {
    this.#announce(text);
  }

  /** @param {string} response @param {string} id */
  #own(response, id) {
    const owned = this.#responses.get(response) ?? new Set();
    this.#responses.set(response, owned.add(id));
  }

  /** @param {Item} entry */
  #await(entry) {
    entry.line.classList.add("pending");
    this.#show(entry);
  }

  /** @param {Item} entry */
  #show({ line }) {
    line.hidden = false;
    this.#list.hidden = false;
  }

  /** The line of an item, made on first mention. @param {string} id @param {Role} [role] @returns {Item} */
  #item(id, role) {
    let entry = this.#items.get(id);
    if (!entry) {
      const line = document.createElement("li");
      line.hidden = true;
      const [speaker, body, mark] = ["span", "span", "small"].map((tag) => document.createElement(tag));
      speaker.className = "speaker";
      body.className = "words";
      line.append(speaker, " ", body, " ", mark);
      this.#list.append(line);
      entry = { line, body, mark, parts: new Map() };
      this.#items.set(id, entry);
    }
    if (role && entry.line.dataset.role !== role) {
      entry.line.dataset.role = role;
      /** @type {HTMLElement} */ (entry.line.firstElementChild).textContent = SPEAKERS[role];
    }
    return entry;
  }
}

/** @type {Record<string, (captions: Captions, event: Frame) => void>} */
const HANDLERS = {
  "conversation.item.added": (captions, event) => captions.added(event),
  "conversation.item.created": (captions, event) => captions.added(event),
  "conversation.item.done": (captions, { item }) => item?.type === "message" && captions.message(item),
  "conversation.item.deleted": (captions, { item_id: id }) => captions.remove(id),
  "conversation.item.truncated": (captions, { item_id: id }) => captions.mark(id, "interrupted"),
  "conversation.item.input_audio_transcription.delta": (captions, event) => captions.grow(event, "user"),
  "conversation.item.input_audio_transcription.completed": (captions, event) =>
    captions.finish(event, "user", event.transcript ?? ""),
  "conversation.item.input_audio_transcription.failed": (captions, event) => captions.mark(event.item_id, "could not be transcribed"),
  "input_audio_buffer.committed": (captions, event) => captions.committed(event),
  "output_audio_buffer.cleared": (captions, { response_id: id }) => captions.markAll(id, "interrupted"),
  "response.output_audio_transcript.delta": (captions, event) => captions.grow(event, "assistant"),
  "response.output_audio_transcript.done": (captions, event) => captions.finish(event, "assistant", event.transcript ?? ""),
  "response.output_text.delta": (captions, event) => captions.grow(event, "assistant"),
  "response.output_text.done": (captions, event) => {
    captions.finish(event, "assistant", event.text ?? "");
    captions.announce(event.text ?? "");
  },
  "response.function_call_arguments.done": (captions, event) => captions.call(event.item_id, event),
  "response.done": (captions, { response }) => captions.done(response),
  error: (captions, { error }) => captions.note(error?.message ?? "The service reported an error."),
};

/** JSON as one would say it, on one line. @param {unknown} text @param {number} [length] */
export function brief(text, length = 120) {
  let said = String(text ?? "");
  try {
    const value = JSON.parse(said);
    if (value && typeof value === "object" && !Array.isArray(value))
      said = Object.entries(value).map(([key, inner]) => `${key}: ${JSON.stringify(inner)}`).join(", ");
    else if (typeof value === "string") said = value;
  } catch {
    // Not JSON: shown as it is.
  }
  return said.length > length ? `${said.slice(0, length)}…` : said;
}

/** Whether a function's output tells of an error. @param {unknown} output */
export function failed(output) {
  try {
    const value = JSON.parse(String(output));
    return Boolean(value && typeof value === "object" && "error" in value && value.error);
  } catch {
    return false;
  }
}
