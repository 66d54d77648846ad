// A page as AG2's users have it: it knows `ag2.init` and nothing else. It says nothing of itself,
// reads one JSON object a message, puts whatever follows on the data channel, and passes back only
// events whose type has "function" in it. It differs from AG2's script in one thing: where it posts
// the offer is in `config.url`, because the address of the beta is switched off.
import { note, show, state } from "./captions.js";

export class OldPage {
  #peer = new RTCPeerConnection();
  #channel = null;
  #kept = [];

  async connect() {
    const [track] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getTracks();
    track.enabled = false;
    this.#peer.addTrack(track);
    this.socket = new WebSocket(new URL("/session", location.href.replace("http", "ws")));
    this.socket.onclose = () => {
      track.stop();
      this.#peer.close();
      state("Disconnected");
    };
    this.socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "ag2.init") this.#open(message, track);
      else if (this.#channel) this.#send(message);
      else this.#kept.push(message);
    };
  }

  async #open({ config, init }, track) {
    note("from backend", { type: "ag2.init", config: { ...config, client_secret: "…", value: "…" }, init });
    const speaker = new Audio();
    speaker.autoplay = true;
    this.#peer.ontrack = ({ streams }) => (speaker.srcObject = streams[0]);
    this.#peer.onconnectionstatechange = () => {
      if (this.#peer.connectionState === "disconnected") this.socket.close();
    };
    const channel = this.#peer.createDataChannel("oai-events");
    channel.onmessage = ({ data }) => this.#heard(data);
    channel.onopen = () => {
      this.#channel = channel;
      for (const message of [...init, ...this.#kept.splice(0)]) this.#send(message);
      track.enabled = true;
      state("Listening");
    };
    await this.#peer.setLocalDescription();
    const response = await fetch(config.url, {
      method: "POST",
      body: this.#peer.localDescription.sdp,
      headers: { Authorization: `Bearer ${config.client_secret.value}`, "Content-Type": "application/sdp" },
    });
    await this.#peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
  }

  #send(message) {
    note("to service", message);
    this.#channel.send(JSON.stringify(message));
  }

  #heard(data) {
    const event = JSON.parse(data);
    note("from service", event);
    show(event);
    if (event.type.includes("function")) this.socket.send(data);
  }
}
