import { expect, it } from 'vitest';
import { eventData } from './event-data.ts';

const encoder = new TextEncoder();

/** A stream of these pieces, and whether it was left. */
function streamOf(pieces: readonly Uint8Array[]) {
  const state = { isLeft: false };
  let at = 0;
  const read = async () => ({ value: pieces[at++] });
  const cancel = async () => void (state.isLeft = true);
  return { state, body: { getReader: () => ({ read, cancel }) } };
}

async function dataOf(pieces: readonly Uint8Array[]): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const data of eventData(streamOf(pieces).body)) found.push(data);
  return found;
}

const TEXT = [
  '\r\n: a comment\n\ndata: {"a": "é"}\n\nevent: x\r\ndata:[1,\r\ndata: 2]\r\n\r\n',
  'id: 3\n\ndata: "three"\r\rdata: [DONE]\n\ndata: "behind"\n\n',
].join('');

it('reads events however the bytes come', async () => {
  const bytes = encoder.encode(TEXT);
  for (const step of [1, 2, 3, 7, bytes.length]) {
    const count = Math.ceil(bytes.length / step);
    const pieces = Array.from({ length: count }, (_, index) => bytes.subarray(index * step, (index + 1) * step));
    expect(await dataOf(pieces), `by ${step}`).toEqual([{ a: 'é' }, [1, 2], 'three']);
  }
});

it('gives no event that is not whole, and throws for what is no JSON', async () => {
  expect(await dataOf([encoder.encode('data: 1\n\ndata: 2\n')])).toEqual([1]);
  await expect(dataOf([encoder.encode('data: {\n\n')])).rejects.toThrow(SyntaxError);
});

it('ends the request when it is left', async () => {
  const { state, body } = streamOf([encoder.encode('data: 1\n\ndata: 2\n\n')]);
  for await (const _ of eventData(body)) break;
  expect(state.isLeft).toBe(true);
});
