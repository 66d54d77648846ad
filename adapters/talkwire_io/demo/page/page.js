/** The demo page: buttons, words and levels around one talkwire call. */

import { connect } from "/talkwire.js";
import { Captions } from "./captions.js";
import { Levels } from "./levels.js";
import { Timeline } from "./timeline.js";

/** @typedef {import("/talkwire.js").Call} Call */
/** @typedef {import("/talkwire.js").Microphone} Microphone */

const WORDS = {
  connecting: "Connecting",
  listening: "Listening",
  speaking: "Speaking",
  reconnecting: "Reconnecting: the connection is shaky",
  failed: "Failed",
  closed: "Call ended",
};

const captions = new Captions(find("captions"), find("conversation"), (text) => (find("spoken").textContent = text));
const timeline = new Timeline(find("timeline"), {
  sound: find("first-sound"),
  tool: find("last-function"),
  events: find("event-count"),
});
const levels = new Levels(/** @type {HTMLCanvasElement} */ (find("levels")));
const talk = find("talk");
const mute = find("mute");
const say = /** @type {HTMLInputElement} */ (find("say"));

/** @type {Call | null} */
let call = null;
/** @type {Microphone["state"] | "waiting"} */
let microphone = "off";
let hears = true; // whether the service has ears: a microphone nobody listens to stays closed

/** Begin a call. From a click or a key only: it starts the sound. @param {boolean} audio */
function begin(audio) {
  levels.open();
  captions.clear();
  timeline.clear();
  find("welcome").hidden = true;
  find("trouble").replaceChildren();
  microphone = audio ? "waiting" : "off";
  const begun = (call = connect("/talk", { audio }));
  begun.addEventListener("state", ({ detail }) => changed(begun, detail.state));
  begun.addEventListener("frame", ({ detail }) => {
    captions.take(detail);
    timeline.received(detail);
  });
  begun.addEventListener("sent", ({ detail }) => timeline.sent(detail));
  begun.addEventListener("microphone", ({ detail }) => heard(begun, detail));
  begun.addEventListener("notice", ({ detail }) => {
    if (detail.code === "playback_blocked") trouble("playback", detail.message, "Play the sound", () => begun.play());
    else timeline.note(detail.message, "failed");
  });
  show("connecting", WORDS.connecting);
  return begun;
}

/** @param {Call} of @param {Call["state"]} state */
function changed(of, state) {
  if (of !== call) return;
  if (of.reason) return over(of.reason, state);
  levels.hear("voice", of.playback);
  const deaf = microphone === "waiting" ? "Connected, waiting for the microphone" : "Connected, microphone off";
  show(state, state === "listening" && microphone !== "on" ? deaf : WORDS[state]);
}

/** @param {{code: string, message: string}} reason @param {Call["state"]} state */
function over(reason, state) {
  call = null;
  levels.close();
  captions.settle();
  timeline.settle();
  timeline.note(reason.message, state === "failed" ? "failed" : "note");
  show(state, reason.code === "hangup" ? WORDS.closed : `${WORDS[state]}: ${reason.message}`);
}

/** @param {Call} of @param {Microphone} detail */
function heard(of, detail) {
  if (of !== call) return;
  microphone = detail.state;
  if (detail.state === "on") levels.hear("you", of.microphone);
  else if (!of.microphone) levels.forget("you");
  const fine = detail.state === "on" || detail.state === "off";
  trouble("microphone", fine ? "" : detail.message, "Try again", () => of.mute(false));
  changed(of, of.state);
}

/** @param {string} state @param {string} words */
function show(state, words) {
  const line = find("state");
  line.dataset.state = state;
  if (find("state-text").textContent !== words) find("state-text").textContent = words;
  talk.textContent = call ? "Hang up" : "Talk";
  talk.classList.toggle("live", Boolean(call));
  mute.hidden = !call || (microphone !== "on" && microphone !== "off") || state === "connecting";
  mute.textContent = microphone === "on" ? "Mute" : "Unmute";
}

talk.addEventListener("click", () => {
  if (call) call.close();
  else begin(hears);
});

mute.addEventListener("click", () => call?.mute(microphone === "on"));

find("type").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = say.value.trim();
  if (!text) return;
  ask(text);
  say.value = "";
});

/** @param {string} text */
function ask(text) {
  (call ?? begin(false)).sendText(text);
}

find("fold").addEventListener("click", () => {
  const open = find("happenings").classList.toggle("open");
  find("fold").setAttribute("aria-expanded", String(open));
  timeline.follow();
});

/**
 * Say what is wrong and what to do, beside the buttons; one for each subject, and an empty text takes it away.
 * @param {string} subject @param {string} text @param {string} remedy a button's words @param {() => void} act
 */
function trouble(subject, text, remedy, act) {
  find("trouble").querySelector(`[data-subject="${subject}"]`)?.remove();
  if (!text) return;
  const item = document.createElement("li");
  item.dataset.subject = subject;
  const button = item.appendChild(document.createElement("button"));
  button.type = "button";
  button.textContent = remedy;
  button.addEventListener("click", () => {
    item.remove();
    act();
  });
  item.prepend(text, " ");
  find("trouble").append(item);
}

/** @param {string} text about this demo @param {boolean} wrong */
function about(text, wrong) {
  const item = find("about").appendChild(document.createElement("li"));
  item.classList.toggle("wrong", wrong);
  item.textContent = text;
}

/** What this demo is made of, as the server tells it. */
async function introduce() {
  const response = await fetch("/demo/status").catch(() => null);
  if (!response?.ok) return about("The demo server does not say what it runs. Is it still up?", true);
  const { service, brain, voice, tools = [], try: questions = [] } = await response.json();
  find("service").textContent = service === "openai" ? "OpenAI Realtime" : "local service, no key needed";
  if (brain) about(brain, false);
  hears = voice?.ok !== false;
  if (!hears) about(voice.message ?? "This service has no voice. Type instead.", true);
  find("tools").hidden = !tools.length;
  for (const { name, description } of tools) {
    const [term, meaning] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    meaning.textContent = description;
    find("tool-list").append(term, meaning);
  }
  for (const question of questions) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = question;
    button.addEventListener("click", () => ask(question));
    const item = document.createElement("li");
    item.append(button);
    find("try").append(item);
  }
}

/** @param {string} id @returns {HTMLElement} */
function find(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}`);
  return found;
}

introduce();
