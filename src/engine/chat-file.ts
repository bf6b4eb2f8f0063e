/**
 * A conversation as bytes: a line that says what it is and how to tell whether it is whole, then the conversation as JSON. The state of the
 * model is not in it: the first turn after a load prefills the history.
 */
import { FormatError, InputError } from '../tensor/errors.ts';
import type { ChatMessage, ChatOptions, ModelInfo } from './api.ts';

/** What a chat goes on from. */
export interface ChatRecord {
  readonly defaults: ChatOptions;
  readonly messages: readonly ChatMessage[];
  /** What the model no longer sees of them. */
  readonly dropped: { readonly messages: number; readonly turns: number };
}

/** Where chats are saved to and loaded from by name: Node's file system. */
export interface ChatFiles {
  /** @throws InputError where there is no such file */
  read(path: string): Promise<Uint8Array>;
  /** All of it or nothing: whoever reads finds the old bytes or the new ones. */
  write(path: string, bytes: Uint8Array): Promise<void>;
}

/** What two loads of one model's files have in common, and other models do not. */
export type ChatModel = Pick<ModelInfo, 'name' | 'architecture' | 'parameters' | 'vocabSize' | 'quantisation'>;

interface ChatHeader {
  readonly format: typeof FORMAT;
  readonly version: number;
  readonly model: ChatModel;
  /** Of the conversation. */
  readonly bytes: number;
  /** CRC-32 (ISO 3309) of those. */
  readonly crc32: number;
}

const FORMAT = 'ingot-chat';
const VERSION = 1;
const MODEL_FIELDS = ['name', 'architecture', 'parameters', 'vocabSize', 'quantisation'] as const;

/** CRC-32 of ISO 3309, as in zip and PNG. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return ~crc >>> 0;
}

export function encodeChat(record: ChatRecord, model: ChatModel): Uint8Array {
  const body = new TextEncoder().encode(JSON.stringify(record));
  const { name, architecture, parameters, vocabSize, quantisation } = model;
  const header: ChatHeader = {
    format: FORMAT, version: VERSION, model: { name, architecture, parameters, vocabSize, quantisation }, bytes: body.length,
    crc32: crc32(body),
  };
  const line = new TextEncoder().encode(`${JSON.stringify(header)}\n`);
  const bytes = new Uint8Array(line.length + body.length);
  bytes.set(line);
  bytes.set(body, line.length);
  return bytes;
}

function readHeader(bytes: Uint8Array, name: string): { readonly header: ChatHeader; readonly body: Uint8Array } {
  const end = bytes.indexOf(10);
  let header: Partial<ChatHeader> | undefined;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, Math.max(0, end)))) as Partial<ChatHeader>;
  } catch {
    header = undefined;
  }
  if (header?.format !== FORMAT) throw new FormatError(`${name} is no saved chat: its first line is not that of one.`);
  if (header.version !== VERSION)
    throw new FormatError(`${name} is a saved chat of version ${String(header.version)}; this version of ingot reads ${VERSION}.`);
  return { header: header as ChatHeader, body: bytes.subarray(end + 1) };
}

/** @throws FormatError for what is no whole chat of this version, InputError for that of another model */
export function decodeChat(bytes: Uint8Array, model: ChatModel, name: string): ChatRecord {
  const { header, body } = readHeader(bytes, name);
  if (body.length !== header.bytes || crc32(body) !== header.crc32)
    throw new FormatError(`${name} is damaged: its ${body.length} bytes are not the ${String(header.bytes)} that were saved.`);
  const other = MODEL_FIELDS.find((field) => header.model?.[field] !== model[field]);
  if (other !== undefined)
    throw new InputError(
      `${name} is a chat with another model: its ${other} is ${JSON.stringify(header.model?.[other])}, and that of this one is ` +
        `${JSON.stringify(model[other])}. Load the chat with the model that it was saved with.`,
    );
  return JSON.parse(new TextDecoder().decode(body)) as ChatRecord;
}
