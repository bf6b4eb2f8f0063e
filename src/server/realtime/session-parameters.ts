/** What clients of `/v1/realtime` may set of a session and of a response, in the shapes of OpenAI's: obeyed, or refused by name. */
import type { ParameterTable } from '../parameter-table.ts';
import type { Schema } from '../schema.ts';
import { INPUT_ITEMS } from './item-schema.ts';

const MOST_PAUSE_MS = 10_000;
const MOST_TEXT = 100_000;

/** Of sound, both ways: 16-bit samples, low byte first, one channel. */
export const REALTIME_RATE = 24_000;

const FORMAT: ParameterTable = {
  type: {
    schema: { enum: ['audio/pcm', 'audio/pcmu', 'audio/pcma'] },
    about: 'audio/pcm: 16-bit samples, low byte first, mono. audio/pcmu and audio/pcma (G.711) are refused.',
  },
  rate: { schema: { enum: [REALTIME_RATE] }, about: 'Hz.' },
};

const VOICE: Schema = {
  anyOf: [
    { type: 'string', minLength: 1, maxLength: 500 },
    { type: 'object', properties: { id: { type: 'string', minLength: 1, maxLength: 500 } }, required: ['id'], additionalProperties: false },
  ],
};

const TURN_DETECTION: ParameterTable = {
  type: { schema: { enum: ['server_vad', 'semantic_vad'] }, isRequired: true, about: 'server_vad; semantic_vad is refused.' },
  threshold: {
    schema: { type: 'number', exclusiveMinimum: 0, maximum: 0.99 }, about: 'From which probability on sound is speech. Default 0.5.',
  },
  prefix_padding_ms: {
    schema: { type: 'integer', minimum: 0, maximum: MOST_PAUSE_MS }, about: 'Sound that a turn keeps before its first speech. Default 300.',
  },
  silence_duration_ms: {
    schema: { type: 'integer', minimum: 1, maximum: MOST_PAUSE_MS }, about: 'The pause that ends a turn. Default 500.',
  },
  create_response: { schema: { type: 'boolean' }, about: 'Whether a turn is answered when it is over. Default true.' },
  interrupt_response: { schema: { type: 'boolean' }, about: 'Whether speech ends an answer that is being given. Default true.' },
  idle_timeout_ms: { refused: 'silence is not answered; leave it out.' },
  eagerness: { refused: 'it is of semantic_vad; say silence_duration_ms.' },
};

const TRANSCRIPTION: ParameterTable = {
  model: {
    schema: { type: 'string', minLength: 1, maxLength: 200 }, about: 'The model that hears. Default: the one that the server has for it.',
  },
  language: { refused: 'the model that hears finds the language out, or knows one; leave it out.' },
  prompt: { refused: 'what is heard takes no prompt; leave it out.', neutral: [''] },
  delay: { refused: 'a turn is told when it was heard; leave it out.' },
};

const INPUT: ParameterTable = {
  format: { table: FORMAT, about: 'Of sound that is sent.' },
  transcription: { table: TRANSCRIPTION, about: 'Tells what was heard as text. null (default): not.' },
  turn_detection: { table: TURN_DETECTION, about: 'Where turns begin and end. null: nothing but commit ends one.' },
  noise_reduction: { refused: 'sound is heard as it is; leave it out.' },
};

const OUTPUT: ParameterTable = {
  format: { table: FORMAT, about: 'Of speech that is sent.' },
  voice: { schema: VOICE, about: "One of the voice model's voices, or a blend. Default: its first." },
};

export const FUNCTION_TOOLS: Schema = {
  type: 'array',
  maxItems: 128,
  items: {
    type: 'object',
    properties: {
      type: { enum: ['function'] },
      name: { type: 'string', minLength: 1, maxLength: 128 },
      description: { type: 'string', maxLength: MOST_TEXT, nullable: true },
      parameters: { type: 'object', nullable: true, description: 'JSON Schema of the arguments.' },
    },
    required: ['type', 'name'],
    additionalProperties: false,
  },
};

/** What a session and a response have in common. */
const ANSWERS: ParameterTable = {
  instructions: {
    schema: { type: 'string', maxLength: MOST_TEXT },
    about: "The system's message. Default: to talk in short sentences; of models that speak themselves, their own.",
  },
  output_modalities: {
    schema: { type: 'array', items: { enum: ['text', 'audio'] }, minItems: 1, maxItems: 1 },
    about: '["audio"] (default where the model speaks or the server has a voice): speech and its transcript; ["text"]: text alone.',
  },
  tools: { schema: FUNCTION_TOOLS, about: 'Functions; refused where the model or its chat template knows none.' },
  tool_choice: {
    schema: {
      anyOf: [
        { enum: ['none', 'auto', 'required'] },
        {
          type: 'object', properties: { type: { enum: ['function'] }, name: { type: 'string', minLength: 1, maxLength: 128 } },
          required: ['type', 'name'], additionalProperties: false,
        },
      ],
    },
    about: 'required and a named function hold the answer to a call whose arguments are valid by their schema.',
  },
  max_output_tokens: {
    schema: { anyOf: [{ type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER }, { enum: ['inf'] }] },
    about: 'inf (default): what the context has left. Of models that speak themselves, frames of 80 ms count too.',
  },
  temperature: { schema: { type: 'number', minimum: 0, maximum: 2 }, about: "Beyond OpenAI's reference. Default: the model's own." },
  parallel_tool_calls: { refused: 'an answer may have several calls; ask for one in the instructions.', neutral: [true] },
  prompt: { refused: 'prompts are kept by nobody here; write instructions.' },
  reasoning: { refused: 'how much a model thinks cannot be asked for; leave it out.' },
};

export const SESSION_PARAMETERS: ParameterTable = {
  type: {
    schema: { enum: ['realtime', 'transcription'] }, isRequired: true, about: 'transcription: what is heard is told, nothing answered.',
  },
  model: { schema: { type: 'string', minLength: 1, maxLength: 200 }, about: 'The one that the session was opened with.' },
  ...ANSWERS,
  audio: {
    table: {
      input: { table: INPUT, about: 'What is heard.' },
      output: {
        table: {
          ...OUTPUT,
          speed: { schema: { type: 'number', minimum: 0.25, maximum: 1.5 }, about: 'Default 1; refused where the model has one.' },
        },
        about: 'What is said.',
      },
    },
    about: 'Sound.',
  },
  include: { refused: 'log probabilities of a transcript are not given; leave it out.', neutral: [[]] },
  tracing: { refused: 'the server sends its own traces where it was started with them; leave it out.' },
  truncation: { refused: 'a conversation that is too long is refused, and items can be deleted; leave it out.', neutral: ['disabled'] },
};

export const RESPONSE_PARAMETERS: ParameterTable = {
  ...ANSWERS,
  audio: { table: { output: { table: OUTPUT, about: 'What is said.' } }, about: 'Sound.' },
  metadata: {
    schema: { type: 'object', additionalProperties: { type: 'string', maxLength: 512 } }, about: 'Comes back with the response.',
  },
  conversation: {
    schema: { enum: ['auto', 'none'] },
    about: 'none: the answer is no item of the conversation, and may be asked for beside others. Default auto.',
  },
  input: { schema: INPUT_ITEMS, about: 'What is answered in place of the conversation: items, and item_reference to its own.' },
};
