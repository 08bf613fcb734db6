// Clients of Node, asked from the tests: a line of JSON in, a line of JSON out, until the input ends.
// Every client does the same five things, each in the way that its documentation shows.

import { createInterface } from "node:readline";

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { APICallError, generateText, Output, RetryError, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const Reading = z.object({ clause: z.number(), reads: z.string() });
const At = z.object({ at: z.string() });
const LOOKED = "a door";

function openai({ url, key, model, text, wishes, retries }) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: retries });
  const asked = { model, messages: [{ role: "user", content: text }], ...wishes };
  const answer = (made) => ({
    text: made.choices[0].message.content,
    finish: made.choices[0].finish_reason,
    about: made.banneton,
    tokens: made.usage?.total_tokens,
  });
  return {
    ask: async () => answer(await client.chat.completions.create(asked)),
    stream: async () => {
      const pieces = [];
      let about;
      const stream_options = { include_usage: true };
      const stream = client.chat.completions.stream({ ...asked, stream_options });
      stream.on("content", (piece) => pieces.push(piece));
      stream.on("chunk", (chunk) => (about ??= chunk.banneton));
      return { ...answer(await stream.finalChatCompletion()), about, pieces };
    },
    tools: async () => {
      const calls = [];
      const look = {
        type: "function",
        function: {
          name: "look",
          description: "Look it up.",
          parameters: z.toJSONSchema(At),
          parse: JSON.parse,
          function: (input) => (calls.push(input), LOOKED),
        },
      };
      const runner = client.chat.completions.runTools({ ...asked, tools: [look], stream: true });
      return { text: await runner.finalContent(), calls };
    },
    structured: async () => {
      const format = zodResponseFormat(Reading, "reading");
      const made = await client.chat.completions.parse({ ...asked, response_format: format });
      return { parsed: made.choices[0].message.parsed };
    },
    leave: async () => {
      const stream = await client.chat.completions.create({ ...asked, stream: true });
      for await (const chunk of stream) {
        stream.controller.abort();
        return { id: chunk.id };
      }
    },
  };
}

function responses({ url, key, model, text, wishes, retries }) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: retries });
  const asked = { model, input: [{ role: "user", content: text }], ...wishes };
  const answer = (made) => ({
    text: made.output_text,
    finish: made.incomplete_details?.reason ?? made.status,
    about: made.banneton,
    tokens: made.usage?.total_tokens,
  });
  return {
    ask: async () => answer(await client.responses.create(asked)),
    stream: async () => {
      const pieces = [];
      const stream = client.responses.stream(asked);
      stream.on("response.output_text.delta", (event) => pieces.push(event.delta));
      return { ...answer(await stream.finalResponse()), pieces };
    },
    tools: async () => {
      const calls = [];
      const look = { type: "function", name: "look", description: "Look it up.", strict: false };
      const tools = [{ ...look, parameters: z.toJSONSchema(At) }];
      const { output } = await client.responses.create({ ...asked, tools });
      const results = output
        .filter((item) => item.type === "function_call")
        .map(({ call_id, arguments: text }) => {
          calls.push(JSON.parse(text));
          return { type: "function_call_output", call_id, output: LOOKED };
        });
      const input = [...asked.input, ...output, ...results];
      return { text: (await client.responses.create({ ...asked, input, tools })).output_text, calls };
    },
    structured: async () => {
      const format = zodTextFormat(Reading, "reading");
      const made = await client.responses.parse({ ...asked, text: { format } });
      return { parsed: made.output_parsed };
    },
    leave: async () => {
      const stream = await client.responses.create({ ...asked, stream: true });
      for await (const event of stream) {
        if (event.type !== "response.output_text.delta") continue;
        stream.controller.abort();
        return {};
      }
    },
  };
}

function anthropic({ url, key, model, text, wishes, retries }) {
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: retries });
  const asked = { model, max_tokens: 100, messages: [{ role: "user", content: text }], ...wishes };
  const said = (made) => made.content.map((block) => block.text ?? "").join("");
  const answer = (made) => ({
    text: said(made),
    finish: made.stop_reason,
    about: made.banneton,
    tokens: made.usage.input_tokens + made.usage.output_tokens,
  });
  return {
    ask: async () => answer(await client.messages.create(asked)),
    stream: async () => {
      const pieces = [];
      let about;
      const stream = client.messages.stream(asked);
      stream.on("text", (piece) => pieces.push(piece));
      stream.on("streamEvent", (event) => (about ??= event.banneton));
      return { ...answer(await stream.finalMessage()), about, pieces };
    },
    tools: async () => {
      const calls = [];
      const run = (input) => (calls.push(input), LOOKED);
      const look = betaZodTool({ name: "look", description: "Look it up.", inputSchema: At, run });
      const made = client.beta.messages.toolRunner({ ...asked, tools: [look], stream: true });
      let last;
      for await (const stream of made) last = await stream.finalMessage();
      return { text: said(last), calls };
    },
    structured: async () => {
      const output_config = { format: zodOutputFormat(Reading) };
      return { parsed: (await client.messages.parse({ ...asked, output_config })).parsed_output };
    },
    leave: async () => {
      const stream = await client.messages.create({ ...asked, stream: true });
      for await (const event of stream) {
        stream.controller.abort();
        return { id: event.message.id };
      }
    },
  };
}

function vercel(model, { text, retries }, { about, options = {} } = {}) {
  const asked = { model, prompt: text, maxRetries: retries, maxOutputTokens: 100, ...options };
  const answer = async (made) => ({
    text: await made.text,
    finish: await made.finishReason,
    about: about ? about(await made.providerMetadata, await made.response) : null,
    tokens: (await made.usage).totalTokens,
  });
  return {
    ask: async () => answer(await generateText(asked)),
    stream: async () => {
      const pieces = [];
      const made = streamText({ ...asked, onError: () => {} });
      for await (const part of made.fullStream) {
        if (part.type === "text-delta") pieces.push(part.text);
        if (part.type === "error") throw part.error;
      }
      return { ...(await answer(made)), pieces };
    },
    tools: async () => {
      const calls = [];
      const execute = (input) => (calls.push(input), LOOKED);
      const look = tool({ description: "Look it up.", inputSchema: At, execute });
      const made = streamText({ ...asked, tools: { look }, stopWhen: stepCountIs(3) });
      return { text: await made.text, calls };
    },
    structured: async () => {
      const made = await generateText({ ...asked, output: Output.object({ schema: Reading }) });
      return { parsed: made.output };
    },
    leave: async () => {
      const leaving = new AbortController();
      const made = streamText({ ...asked, abortSignal: leaving.signal, onError: () => {} });
      for await (const part of made.fullStream) if (part.type === "text-delta") leaving.abort();
      return {};
    },
  };
}

function vercelCompatible(given) {
  const metadataExtractor = {
    extractMetadata: async ({ parsedBody }) => ({ gateway: { about: parsedBody.banneton } }),
    createStreamExtractor: () => {
      let about;
      return {
        processChunk: (chunk) => (about = chunk.banneton ?? about),
        buildMetadata: () => ({ gateway: { about } }),
      };
    },
  };
  const provider = createOpenAICompatible({
    name: "gateway",
    baseURL: `${given.url}/v1`,
    apiKey: given.key,
    includeUsage: true,
    supportsStructuredOutputs: true,
    metadataExtractor,
  });
  return vercel(provider(given.model), given, {
    about: (metadata) => metadata?.gateway?.about,
    options: { providerOptions: { gateway: given.wishes } },
  });
}

const vercelOpenai = (given) =>
  vercel(createOpenAI({ baseURL: `${given.url}/v1`, apiKey: given.key }).chat(given.model), given);

const vercelResponses = (given) =>
  vercel(createOpenAI({ baseURL: `${given.url}/v1`, apiKey: given.key }).responses(given.model), given);

const vercelAnthropic = (given) =>
  vercel(createAnthropic({ baseURL: `${given.url}/v1`, apiKey: given.key })(given.model), given);

const CLIENTS = {
  "node-openai": openai,
  "node-responses": responses,
  "node-anthropic": anthropic,
  "vercel-compatible": vercelCompatible,
  "vercel-openai": vercelOpenai,
  "vercel-responses": vercelResponses,
  "vercel-anthropic": vercelAnthropic,
};

function failure(thrown) {
  const error = RetryError.isInstance(thrown) ? thrown.lastError : thrown;
  const body = APICallError.isInstance(error) ? error.data : error.error;
  return {
    kind: error.constructor.name,
    status: error.status ?? error.statusCode ?? null,
    code: error.code ?? body?.error?.details?.error_code ?? body?.error?.code ?? null,
    said: String(error.message),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const given = JSON.parse(line);
  let told;
  try {
    told = await CLIENTS[given.client](given)[given.does]();
  } catch (thrown) {
    told = { error: failure(thrown) };
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
