// What either page shows of a call: the service's events, as they come on the data channel.
export const record = (window.record = []);

export function state(text) {
  document.querySelector("#state").textContent = text;
}

export function note(way, message) {
  record.push({ page: way, message });
}

export function show(event) {
  if (event.type === "response.function_call_arguments.done") line("function", `${event.name}(${event.arguments})`);
  if (event.type === "response.output_audio_transcript.done") line("model", event.transcript);
  if (event.type === "output_audio_buffer.started") state("Speaking");
  if (event.type === "output_audio_buffer.stopped") state("Listening");
}

function line(kind, text) {
  const row = document.createElement("li");
  row.className = kind;
  row.textContent = text;
  document.querySelector("#said").append(row);
}
