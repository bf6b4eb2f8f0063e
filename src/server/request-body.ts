/** The body of a request as JSON, within bounds of size, time and depth. */
import type { JsonValue } from '../tensor/checkpoint.ts';
import { Failure, invalid } from './failure.ts';

export interface BodyLimits {
  readonly bodyBytes: number;
  readonly bodyMs: number;
}

/** Arrays and objects inside each other. */
const MOST_DEPTH = 64;

function tooLarge(bodyBytes: number): Failure {
  return new Failure(`The body is larger than ${bodyBytes} bytes, the most that this server takes.`, {
    status: 413, code: 'body_too_large', headers: { connection: 'close' },
  });
}

function tooSlow(bodyMs: number): Failure {
  return new Failure(`The body did not arrive within ${bodyMs} ms.`, {
    status: 408, code: 'body_too_slow', headers: { connection: 'close' },
  });
}

async function readChunks(reader: ReadableStreamDefaultReader<Uint8Array>, { bodyBytes, bodyMs }: BodyLimits): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooSlow(bodyMs)), bodyMs);
  });
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) return chunks;
      length += value.length;
      if (length > bodyBytes) throw tooLarge(bodyBytes);
      chunks.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    if (error instanceof Failure) throw error;
    throw invalid('The body ended early.', { code: 'incomplete_body', cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function readBody(request: Request, limits: BodyLimits): Promise<Uint8Array[]> {
  if (Number(request.headers.get('content-length') ?? 0) > limits.bodyBytes) throw tooLarge(limits.bodyBytes);
  const reader = request.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
  return reader === undefined ? [] : readChunks(reader, limits);
}

/** @throws Failure: 413, 408, or 400 for one that ends early */
export async function readBytes(request: Request, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Blob((await readBody(request, limits)) as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

async function readText(request: Request, limits: BodyLimits): Promise<string> {
  const chunks = await readBody(request, limits);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join('') + decoder.decode();
  } catch {
    throw invalid('The body is not valid UTF-8.', { code: 'invalid_utf8' });
  }
}

/** How deep arrays and objects lie inside each other, strings left out. */
function depthOf(text: string): number {
  let [depth, deepest, isInString] = [0, 0, false];
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (isInString) {
      if (unit === 0x5c) at++;
      else if (unit === 0x22) isInString = false;
    } else if (unit === 0x22) isInString = true;
    else if (unit === 0x5b || unit === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  return deepest;
}

/**
 * @param what of it is JSON, for messages: `The body`
 * @throws Failure (400) for what is no JSON of a sane depth
 */
export function parseJson(text: string, what: string): JsonValue {
  if (text.trim() === '') throw invalid(`${what} is empty: expected a JSON object.`, { code: 'invalid_json' });
  if (depthOf(text) > MOST_DEPTH) throw invalid(`${what} nests deeper than ${MOST_DEPTH} levels.`, { code: 'too_deep' });
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw invalid(`${what} is not valid JSON.`, { code: 'invalid_json' });
  }
}

/** @throws Failure: 413, 408, or as {@link parseJson} */
export async function readJson(request: Request, limits: BodyLimits): Promise<JsonValue> {
  return parseJson(await readText(request, limits), 'The body');
}
