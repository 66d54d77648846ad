// The Agents SDK in Node over its websocket: `node turn.mjs ws://…/v1/realtime?model=…`.
// Asks one question, typed; prints what came of it as JSON once the answer has been spoken.
import * as sdk from "@openai/agents-realtime";
import { keepRecord, makeAgent, words } from "./agent.js";

const calls = [];
const transport = new sdk.OpenAIRealtimeWebSocket({ url: process.argv[2] });
const session = new sdk.RealtimeSession(makeAgent(sdk, calls), { transport, model: "gpt-realtime" });
const record = keepRecord(session);
let soundBytes = 0;
session.on("audio", ({ data }) => (soundBytes += data.byteLength));

await session.connect({ apiKey: "sk-local" });
session.sendMessage("What is the weather in Rome?");
await new Promise((resolve) => session.on("agent_end", (_context, _agent, said) => said && resolve()));
session.close();
console.log(JSON.stringify({ calls, said: words(record), soundBytes, errors: record.errors, types: record.types }));
