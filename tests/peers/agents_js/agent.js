// The agent of both tests: a tool in JavaScript, and a record of what the SDK tells about a session.
// The first argument is the package, however it was loaded.
export function makeAgent({ RealtimeAgent, tool }, calls) {
  const weather = tool({
    name: "get_weather",
    description: "Get the current weather in a city.",
    parameters: {
      type: "object",
      properties: { city: { type: "string", description: "The city, e.g. Rome" } },
      required: ["city"],
      additionalProperties: false,
    },
    strict: true,
    execute: ({ city }) => {
      calls.push(city);
      return `It is sunny in ${city}, 18 degrees.`;
    },
  });
  return new RealtimeAgent({ name: "weather", instructions: "Be short.", tools: [weather] });
}

export function keepRecord(session) {
  const record = { history: [], errors: [], types: [] };
  session.on("history_updated", (history) => (record.history = history));
  session.on("error", ({ error }) => record.errors.push(error));
  session.on("transport_event", ({ type }) => record.types.push(type));
  return record;
}

/** What was said so far, a line a message. */
export function words({ history }) {
  const messages = history.filter(({ type }) => type === "message");
  const text = ({ text, transcript }) => text ?? transcript ?? "";
  return messages.map(({ role, content }) => `${role}: ${content.map(text).join("")}`);
}
