/**
 * talkwire.js: a voice call between this page and a Realtime service, led by your backend.
 *
 * Two connections make a call. A websocket to the backend (the hop) says how to open the call and
 * carries events; WebRTC to the service carries the sound and the service's events. The backend is
 * forwarded the events it subscribed to, and answers with events that this page passes on untouched.
 *
 *     import { connect } from "./talkwire.js";
 *     const call = connect("/talk");
 *     call.addEventListener("state", (event) => console.log(event.detail.state));
 *
 * No dependencies, no build step. Whatever arrives is data: show it with `textContent`.
 */

/** @typedef {"connecting" | "listening" | "speaking" | "reconnecting" | "failed" | "closed"} State */
/** @typedef {{code: string, message: string}} Reason */
/** @typedef {{type: string, [key: string]: any}} Frame */
/** @typedef {{state: "on" | "off" | "denied" | "missing" | "unavailable", message: string}} Microphone */
/**
 * How the backend wants the call opened: `call` takes the SDP offer (null: the backend does), `commands` go out first,
 * `subscribe` names the event types to forward (null: all of them).
 * @typedef {{version: number, call: {url: string, key: string} | null, commands: Frame[], subscribe: string[] | null,
 *   limits: {max_frame_bytes: number}}} Init
 */
/**
 * @typedef {object} CallEvents
 * @property {CustomEvent<{state: State, reason: Reason | null}>} state
 * @property {CustomEvent<Frame>} frame every event the service sent
 * @property {CustomEvent<Frame>} sent every event put on the data channel for the service
 * @property {CustomEvent<Microphone>} microphone
 * @property {CustomEvent<Reason>} notice trouble the call survives; `code` is `playback_blocked`, `unreadable_frame`,
 *   `oversize_frame` or `unsent_frame`
 */

export const VERSION = "0.1.0";
const HOP_VERSION = 1;
const BATCH_MS = 8; // the hop allows 10, and timers fire late
const OPEN_MS = 20_000; // longest wait for a call to open before it is given up
const LONGEST = 256; // characters of a string in an event told in part; ids and codes are far shorter
const CONTROL = /^\s*\{\s*"type"\s*:\s*"(?:talkwire|ag2)\./; // control frames have `type` as their first key
const ENDED_WELL = new Set(["hangup", "page_closed", "ended", "session_over"]);
const VOICE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const utf8 = new TextEncoder();

/**
 * Open a call. Returns at once; listen to the `Call` for what becomes of it.
 *
 * @param {string | URL} path the backend's websocket; relative to the page, `http(s)` or `ws(s)`
 * @param {{audio?: boolean, ticket?: string}} [options] `audio: false` leaves the microphone closed until
 *   `mute(false)`; `ticket` is shown to the backend in the first message, never in the URL
 */
export function connect(path, options = {}) {
  return new Call(path, options);
}

/** One call, from `connect()` to its end. It is not reused: to talk again, connect again. */
export class Call extends EventTarget {
  // To read, not to set.
  /** @type {State} */ state = "connecting";
  /** @type {Reason | null} set once, when the call is over */ reason = null;
  /** @type {string | null} the service's name for the call, where the page may read it */ callId = null;
  /** @type {MediaStream | null} what is heard here */ microphone = null;
  /** @type {MediaStream | null} what the service says */ playback = null;
  /** Frames forwarded to the backend, those told in part for being over its limit, and those that are no event. */
  counts = { forwarded: 0, oversize: 0, unreadable: 0 };

  /** @type {WebSocket | undefined} */ #socket;
  /** @type {RTCPeerConnection | undefined} */ #peer;
  /** @type {RTCDataChannel | undefined} */ #channel;
  /** @type {RTCRtpSender | undefined} */ #sender;
  /** @type {HTMLAudioElement | undefined} */ #speaker;
  /** @type {Init | undefined} */ #init;
  /** @type {((answer: Frame) => void) | undefined} takes the backend's answer to the offer */ #answered;
  /** @type {string[]} frames for the service, until it can be reached */ #waiting = [];
  /** @type {string[]} what was typed before the call was open */ #typed = [];
  /** @type {string[]} frames for the backend, for a few ms */ #batch = [];
  #batchBytes = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #batchTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #openTimer;
  #over = new AbortController();
  #open = false;
  #configured = false;
  #speaking = false;
  #shaky = false;
  #asking = false;
  #muted;

  /** @param {string | URL} path @param {{audio?: boolean, ticket?: string}} options */
  constructor(path, { audio = true, ticket }) {
    super();
    this.#muted = !audio;
    // A turn later, so that even an immediate refusal finds the caller's listeners in place.
    queueMicrotask(() => this.#reach(path, ticket));
  }

  /**
   * @template {keyof CallEvents} Name
   * @param {Name} name
   * @param {((event: CallEvents[Name]) => void) | EventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @override
   */
  addEventListener(name, listener, options) {
    super.addEventListener(name, /** @type {EventListener} */ (listener), options);
  }

  /** Say something in writing; kept until the call is open. Throws when it is over. @param {string} text */
  sendText(text) {
    if (this.reason) throw new Error(`The call is over: ${this.reason.message}`);
    if (!this.#open) this.#typed.push(text);
    else if (sizeOf(text) + 64 > this.#limit) this.#notice("oversize_frame", "The text is too long to send.");
    else this.#tell({ type: "talkwire.text", text });
  }

  /** Close or open the microphone; it is asked for when there is none yet. @param {boolean} muted */
  mute(muted) {
    this.#muted = muted;
    if (this.reason || !this.#configured) return;
    if (!this.microphone && !muted) return void this.#listen();
    for (const track of this.microphone?.getTracks() ?? []) track.enabled = !muted;
    this.#showMicrophone();
  }

  /** Try again to play the service's voice: for a click, after the notice `playback_blocked`. */
  async play() {
    try {
      await this.#speaker?.play();
    } catch {
      if (!this.reason) this.#notice("playback_blocked", "The browser holds back the sound until you press something.");
    }
  }

  /** Hang up. */
  close() {
    this.#end("hangup", "You ended the call.");
  }

  // -- the hop: this page and the backend

  /** @param {string | URL} path @param {string | undefined} ticket */
  #reach(path, ticket) {
    if (this.reason) return;
    if (!globalThis.RTCPeerConnection) return this.#end("unsupported", "This browser cannot make WebRTC calls.");
    try {
      const url = new URL(path, location.href);
      url.protocol = url.protocol.replace("http", "ws");
      this.#socket = new WebSocket(url);
    } catch (error) {
      return this.#end("unsupported", `The server's address cannot be used: ${messageOf(error)}`);
    }
    let trouble = "The server cannot be reached, or refused the call.";
    this.#socket.onopen = () => {
      trouble = "The connection to the server was lost.";
      const hello = { type: "talkwire.hello", version: HOP_VERSION, client: `talkwire.js/${VERSION}` };
      this.#tell(ticket ? { ...hello, ticket } : hello);
    };
    this.#socket.onmessage = ({ data }) => String(data).split("\n").forEach((line) => this.#fromBackend(line));
    this.#socket.onclose = () => this.#end("connection_failed", trouble);
    this.#openTimer = setTimeout(() => this.#end("connection_failed", "The call did not open in time."), OPEN_MS);
    const { signal } = this.#over;
    addEventListener("pagehide", () => this.#end("page_closed", "The page was closed."), { signal });
  }

  /** @param {string} line */
  #fromBackend(line) {
    if (this.reason || !line.trim()) return;
    const control = CONTROL.test(line) ? parse(line) : null;
    if (control?.type === "talkwire.init" && !this.#init) this.#dial(control);
    else if (control?.type === "talkwire.answer") this.#answered?.(control);
    else if (control?.type === "talkwire.bye") this.#end(String(control.code), String(control.message), false);
    else if (CONTROL.test(line)) return; // of a newer backend, or broken: not for the service either way
    else if (this.#open) this.#put(line);
    else this.#waiting.push(line);
  }

  /** @param {Frame} control */
  #tell(control) {
    this.#flush(JSON.stringify(control));
  }

  /** @param {Frame} event @param {string} text the event as it came */
  #forward(event, text) {
    if (this.#init?.subscribe && !this.#init.subscribe.includes(event.type)) return;
    let bytes = sizeOf(text);
    if (bytes > this.#limit) {
      this.counts.oversize += 1;
      const much = `An event of ${bytes} bytes (${event.type}) is more than the server takes`;
      this.#notice("oversize_frame", `${much}: lists and long texts were left out.`);
      text = JSON.stringify(inPart(event)); // not nothing, or the backend waits for ever for what it ends
      bytes = sizeOf(text);
      if (bytes > this.#limit) return;
    }
    if (this.#batchBytes + bytes > this.#limit) this.#flush();
    this.counts.forwarded += 1;
    this.#batchBytes += bytes + 1;
    // In JSON a raw line break can only stand between tokens, where a space means the same.
    this.#batch.push(text.replace(/[\r\n]+/g, " "));
    if (document.hidden) this.#flush(); // a hidden page's timers may wait a second
    else this.#batchTimer ??= setTimeout(() => this.#flush(), BATCH_MS);
  }

  /** Send what was gathered, then each of `more` as a message of its own. @param {string[]} more */
  #flush(...more) {
    clearTimeout(this.#batchTimer);
    this.#batchTimer = undefined;
    this.#batchBytes = 0;
    const messages = [this.#batch.splice(0).join("\n"), ...more].filter(Boolean);
    if (this.#socket?.readyState === WebSocket.OPEN) for (const message of messages) this.#socket.send(message);
  }

  get #limit() {
    return this.#init?.limits?.max_frame_bytes ?? Infinity;
  }

  // -- the call: this page and the service

  /** @param {Init} init */
  async #dial(init) {
    this.#init = init;
    const skew = `The server speaks version ${init.version} of the hop, this page version ${HOP_VERSION}.`;
    if (init.version !== HOP_VERSION) return this.#end("unsupported", skew);
    try {
      const peer = (this.#peer = new RTCPeerConnection());
      // No track yet: the microphone is asked for once the service knows its instructions.
      this.#sender = peer.addTransceiver("audio", { direction: "sendrecv" }).sender;
      peer.ontrack = ({ track, streams }) => this.#hear(streams[0] ?? new MediaStream([track]));
      peer.onconnectionstatechange = () => this.#watch(peer.connectionState);
      const channel = (this.#channel = peer.createDataChannel("oai-events"));
      channel.onopen = () => this.#opened();
      channel.onmessage = ({ data }) => this.#fromService(data);
      channel.onclose = () => this.#end("channel_closed", "The service ended the call.");
      await peer.setLocalDescription();
      const offer = peer.localDescription?.sdp ?? "";
      const sdp = await (init.call ? this.#exchange(init.call, offer) : this.#handOver(offer));
      if (this.reason || sdp === undefined) return;
      if (!sdp.startsWith("v=")) return this.#end("sdp_refused", "The service's answer was no call description.");
      // Nothing tells of more addresses later, so without one the call would only hang.
      const nowhere = "The service named no network address to call. Is its machine on a network?";
      if (!/^a=candidate:/m.test(sdp)) return this.#end("connection_failed", nowhere);
      await peer.setRemoteDescription({ type: "answer", sdp });
    } catch (error) {
      this.#end("connection_failed", `The call could not be opened: ${messageOf(error)}`);
    }
  }

  /** Have the backend post the offer, so that no key comes here. @param {string} offer @returns {Promise<string>} */
  async #handOver(offer) {
    /** @type {Frame} */
    const answer = await new Promise((resolve) => {
      this.#answered = resolve;
      this.#tell({ type: "talkwire.offer", sdp: offer });
    });
    this.callId = answer.call_id;
    return String(answer.sdp);
  }

  /** Post the offer; the answer, if it is one. @param {NonNullable<Init["call"]>} call @param {string} offer */
  async #exchange({ url, key }, offer) {
    const { host } = new URL(url, location.href);
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/sdp" };
    const request = { method: "POST", headers, body: offer, signal: this.#over.signal };
    const response = await fetch(url, request).catch(() => null);
    if (!response) return this.#end("connection_failed", `The service at ${host} cannot be reached.`);
    const body = await response.text();
    const refusal = parse(body)?.error?.message || body.slice(0, 200) || response.statusText;
    if (!response.ok) return this.#end("sdp_refused", `The service refused the call (${response.status}): ${refusal}`);
    this.callId = response.headers.get("Location")?.match(/([^/?#]+)\/?(?:[?#]|$)/)?.[1] ?? null;
    return body;
  }

  #opened() {
    if (this.reason) return;
    clearTimeout(this.#openTimer);
    for (const command of this.#init?.commands ?? []) this.#put(JSON.stringify(command));
    this.#open = true;
    this.#tell(this.callId ? { type: "talkwire.ready", call_id: this.callId } : { type: "talkwire.ready" });
    for (const frame of this.#waiting.splice(0)) this.#put(frame);
    for (const text of this.#typed.splice(0)) this.sendText(text);
    this.#settle();
  }

  /** @param {string} frame */
  #put(frame) {
    try {
      this.#channel?.send(frame);
      this.#emit("sent", parse(frame) ?? { type: "" });
    } catch (error) {
      this.#notice("unsent_frame", `An event could not be sent to the service: ${messageOf(error)}`);
    }
  }

  /** @param {any} data */
  #fromService(data) {
    if (this.reason) return;
    const event = parse(data);
    // Control frames are between page and backend: the service must not be able to forge one, nor with two types.
    if (typeof event?.type !== "string" || event.type.startsWith("talkwire.") || CONTROL.test(data)) {
      this.counts.unreadable += 1;
      return this.#notice("unreadable_frame", "The service sent something that is not an event. It was left out.");
    }
    this.#forward(event, String(data));
    this.#note(event.type);
    this.#emit("frame", event);
  }

  /** @param {string} type */
  #note(type) {
    if (type === "output_audio_buffer.started") this.#speaking = true;
    else if (type === "output_audio_buffer.stopped" || type === "output_audio_buffer.cleared") this.#speaking = false;
    else if (type === "session.updated" && !this.#configured) {
      this.#configured = true;
      this.mute(this.#muted);
    }
    this.#settle();
  }

  /** @param {RTCPeerConnectionState} state */
  #watch(state) {
    this.#shaky = state === "disconnected"; // it may heal by itself
    if (state !== "failed") return this.#settle();
    this.#end("connection_failed", "The connection to the service failed. A firewall may be in the way.");
  }

  // -- sound

  /** @param {MediaStream} stream */
  #hear(stream) {
    this.playback = stream;
    this.#speaker = new Audio();
    this.#speaker.srcObject = stream;
    this.play();
  }

  async #listen() {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: VOICE });
      const [track] = stream.getAudioTracks();
      if (this.reason) return track.stop(); // hung up while the browser was asking
      track.enabled = !this.#muted;
      track.onended = () => this.#lose();
      await this.#sender?.replaceTrack(track);
      this.microphone = stream;
      this.#showMicrophone();
    } catch (error) {
      if (!this.reason) this.#emit("microphone", microphoneTrouble(error));
    } finally {
      this.#asking = false;
    }
  }

  #lose() {
    this.microphone = null;
    this.#emit("microphone", { state: "missing", message: "The microphone went away. Plug it in, then switch it on." });
  }

  #showMicrophone() {
    const state = this.#muted ? "off" : "on";
    this.#emit("microphone", { state, message: `The microphone is ${state}.` });
  }

  // -- the end, and what is told of it

  /** @param {string} code @param {string} message @param {boolean} [tell] whether the backend has yet to hear it */
  #end(code, message, tell = true) {
    if (this.reason) return;
    this.reason = { code, message };
    clearTimeout(this.#openTimer);
    if (tell) this.#tell({ type: "talkwire.bye", code, message });
    this.#over.abort();
    this.#socket?.close(1000);
    this.#peer?.close();
    for (const track of this.microphone?.getTracks() ?? []) track.stop();
    if (this.#speaker) this.#speaker.srcObject = null;
    this.#settle();
  }

  /** The state follows from the facts, and is told when it changes. */
  #settle() {
    const alive = this.#shaky ? "reconnecting" : this.#speaking ? "speaking" : "listening";
    const over = this.reason && (ENDED_WELL.has(this.reason.code) ? "closed" : "failed");
    const state = over ?? (this.#open ? alive : "connecting");
    if (state === this.state) return;
    this.state = state;
    this.#emit("state", { state, reason: this.reason });
  }

  /** @param {string} code @param {string} message */
  #notice(code, message) {
    this.#emit("notice", { code, message });
  }

  /**
   * @template {keyof CallEvents} Name
   * @param {Name} name @param {CallEvents[Name]["detail"]} detail
   */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** JSON, or null for anything that is not. @param {unknown} text */
function parse(text) {
  try {
    return typeof text === "string" ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

/**
 * What settles or ends something in a Realtime event: ids, statuses, labels, numbers; no lists, and of a long text its
 * beginning. Arguments cut short are no JSON, so that such a call is refused and not run as another.
 * @param {any} value @param {number} depth @returns {any}
 */
function inPart(value, depth = 6) {
  if (typeof value === "string") return value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value) || depth === 0) return undefined;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inPart(each, depth - 1)]));
}

/** In bytes of UTF-8. @param {string} text */
function sizeOf(text) {
  return utf8.encode(text).byteLength;
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** What went wrong, and what to do. @param {unknown} error @returns {Microphone} */
function microphoneTrouble(error) {
  const name = error instanceof Error ? error.name : "";
  if (!navigator.mediaDevices)
    return { state: "unavailable", message: "Browsers open a microphone only on https:// or localhost. You can type." };
  if (name === "NotAllowedError" || name === "SecurityError")
    return { state: "denied", message: "The microphone is not allowed here. Allow it in the site's settings, or type." };
  if (name === "NotFoundError" || name === "OverconstrainedError")
    return { state: "missing", message: "No microphone was found. Plug one in and switch it on, or type." };
  const detail = `The microphone could not be opened (${messageOf(error)}). Is another program using it? You can type.`;
  return { state: "unavailable", message: detail };
}
