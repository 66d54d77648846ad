/** How loud both sides were over the last seconds: yours above the line, the answer's below it. */

const STEP_MS = 40;
const BAR = 3; // px, and as wide a gap
const QUIET_STEP_MS = 250; // where motion is not wanted

/** @typedef {"you" | "voice"} Side */

export class Levels {
  /** @type {Record<Side, number[]>} RMS, newest last */ #past = { you: [], voice: [] };
  /** @type {Record<Side, number>} since the last step */ #loudest = { you: 0, voice: 0 };
  /** @type {Partial<Record<Side, AnalyserNode>>} */ #ears = {};
  /** @type {AudioContext | null} */ #context = null;
  #samples = new Float32Array(1024);
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #last = 0;
  #frame = 0;
  #canvas;

  /** @param {HTMLCanvasElement} canvas its data-you and data-voice tell the loudest of the last second, 0 to 1 */
  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** Start measuring. Call it from a click: browsers let sound begin nowhere else. */
  open() {
    this.close();
    this.#context = new AudioContext();
    this.#past = { you: [], voice: [] };
    this.#frame = requestAnimationFrame((now) => this.#tick(now));
  }

  /** @param {Side} side @param {MediaStream | null} stream */
  hear(side, stream) {
    if (!this.#context || !stream || this.#ears[side]) return;
    const ear = this.#context.createAnalyser();
    ear.fftSize = this.#samples.length;
    this.#context.createMediaStreamSource(stream).connect(ear);
    this.#ears[side] = ear;
  }

  /** No longer hear a side. @param {Side} side */
  forget(side) {
    delete this.#ears[side];
  }

  close() {
    cancelAnimationFrame(this.#frame);
    this.#ears = {};
    this.#context?.close();
    this.#context = null;
    this.#past = { you: [], voice: [] };
    this.#draw();
  }

  /** @param {number} now */
  #tick(now) {
    this.#frame = requestAnimationFrame((later) => this.#tick(later));
    const sides = /** @type {Side[]} */ (["you", "voice"]);
    // The loudest since the last step: what is heard between two steps shows as well.
    for (const side of sides) this.#loudest[side] = Math.max(this.#loudest[side], this.#level(side));
    if (now - this.#last < (this.#still.matches ? QUIET_STEP_MS : STEP_MS)) return;
    this.#last = now;
    for (const side of sides) {
      this.#past[side].push(this.#loudest[side]);
      this.#loudest[side] = 0;
      this.#past[side].splice(0, this.#past[side].length - 600);
    }
    this.#draw();
  }

  /** @param {Side} side */
  #level(side) {
    const ear = this.#ears[side];
    if (!ear) return 0;
    ear.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length;
    return Math.min(1, Math.sqrt(power));
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = devicePixelRatio || 1;
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    const pen = this.#canvas.getContext("2d");
    if (!pen) return;
    pen.scale(scale, scale);
    const style = getComputedStyle(this.#canvas);
    pen.fillStyle = style.getPropertyValue("--line");
    pen.fillRect(0, height / 2 - 0.5, width, 1);
    for (const side of /** @type {Side[]} */ (["you", "voice"])) {
      const level = this.#past[side].at(-1) ?? 0;
      this.#canvas.dataset[side] = Math.max(0, ...this.#past[side].slice(-1000 / STEP_MS)).toFixed(3);
      pen.fillStyle = style.getPropertyValue(`--${side}`);
      if (this.#still.matches) this.#bar(pen, side, 0, level, width, height);
      else this.#wave(pen, side, width, height);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {Side} side @param {number} width @param {number} height */
  #wave(pen, side, width, height) {
    const past = this.#past[side];
    const count = Math.min(past.length, Math.ceil(width / (2 * BAR)));
    for (let back = 1; back <= count; back += 1) {
      const size = loudness(past[past.length - back]) * (height / 2 - 3);
      const x = width - back * 2 * BAR;
      if (size >= 1) pen.fillRect(x, side === "you" ? height / 2 - 1 - size : height / 2 + 1, BAR, size);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {Side} side @param {number} x @param {number} level @param {number} width @param {number} height */
  #bar(pen, side, x, level, width, height) {
    const y = side === "you" ? height / 2 - 9 : height / 2 + 3;
    pen.fillRect(x, y, loudness(level) * width, 6);
  }
}

/** 0 to 1 as it is heard: -54 dB and below is nothing. @param {number} rms */
function loudness(rms) {
  return rms > 0 ? Math.max(0, 1 + (20 * Math.log10(rms)) / 54) : 0;
}
