/** Sessions of random events, right and wrong, in any order: each is answered or told what is wrong, and nothing stays behind. */
import { describe, expect, it, vi } from 'vitest';
import { base64Of, hasRealtimeModels, realtimeRig, recordedSpeech } from '../../../test/realtime-rig.ts';
import type { RealtimeRig } from '../../../test/realtime-rig.ts';
import type { ServerSocketReader } from '../api.ts';
import { CLIENT_EVENTS } from './client-events.ts';

const SESSIONS = 12;
/** More by INGOT_FUZZ_SESSIONS. */
const MANY = Number(process.env['INGOT_FUZZ_SESSIONS'] ?? 60);

type Random = (below: number) => number;

/** Mulberry32. */
function randomOf(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const ODD: readonly unknown[] = [null, true, 0, -1, 1e300, '', 'auto', 'a'.repeat(3000), [], {}, [[[]]], { type: 'message' },
  '\u0000\ud800', '__proto__'];

/** Something of a client, mostly right. */
function eventOf(random: Random, speech: Int16Array): object {
  const pick = <Value>(...values: readonly Value[]): Value => values[random(values.length)]!;
  const id = () => pick('a', 'b', 'c', 'none', 'root');
  const sound = () => {
    const at = random(speech.length - 48_000);
    return base64Of(random(3) === 0 ? new Int16Array(12_000) : speech.slice(at, at + random(24_000)));
  };
  const content = () => [pick<object>(
    { type: 'input_text', text: pick('hi', '', 'Who is Ash?') }, { type: 'input_audio', audio: sound() }, { type: 'output_text',
      text: 'x' },
  )];
  const item = () => pick<object>(
    { id: id(), type: 'message', role: pick('user', 'system', 'assistant'), content: content() },
    { type: 'function_call', name: 'f', arguments: pick('{}', '[', ''), call_id: id() }, { type: 'function_call_output', call_id: id(),
      output: 'x' },
  );
  const turns = () => pick<object | null>(null, { type: 'server_vad', silence_duration_ms: 100 + random(500),
    create_response: random(2) === 0, interrupt_response: random(2) === 0 });
  const session = () => ({
    type: 'realtime', max_output_tokens: 1 + random(6), output_modalities: [pick('text', 'audio')], temperature: 0,
    audio: { input: { turn_detection: turns(), transcription: pick(null, {}) } }, ...(random(4) === 0 ? { tools: [{ type: 'function',
      name: 'f' }], tool_choice: pick('auto', 'required') } : {}),
  });
  return pick<() => object>(
    () => ({ type: 'session.update', session: session() }), () => ({ type: 'input_audio_buffer.append', audio: sound() }),
    () => ({ type: 'input_audio_buffer.append', audio: sound() }), () => ({ type: 'input_audio_buffer.commit' }),
      () => ({ type: 'input_audio_buffer.clear' }),
    () => ({ type: 'conversation.item.create', item: item(), ...(random(2) === 0 ? { previous_item_id: id() } : {}) }),
    () => ({ type: 'conversation.item.create', item: item() }), () => ({ type: 'conversation.item.delete', item_id: id() }),
    () => ({ type: 'conversation.item.retrieve', item_id: id() }), () => ({ type: 'conversation.item.truncate', item_id: id(),
      content_index: 0, audio_end_ms: random(500) }),
    () => ({ type: 'response.create', ...(random(2) === 0 ? { response: { output_modalities: ['text'] } } : {}) }),
      () => ({ type: 'response.create', ...(random(2) === 0 ? { response: { conversation: 'none', input: [item()] } } : {}) }),
    () => ({ type: 'response.cancel' }),
  )();
}

/** What is sent of it: as it is, or spoiled. */
function messageOf(random: Random, speech: Int16Array): string | Uint8Array {
  const event = eventOf(random, speech) as Record<string, unknown>;
  const text = () => JSON.stringify({ event_id: `e${random(1000)}`, ...event });
  switch (random(12)) {
    case 0: {
      const names = Object.keys(event);
      event[names[random(names.length)]!] = ODD[random(ODD.length)];
      return text();
    }
    case 1: return text().slice(0, random(text().length));
    case 2: return text().replace(/[A-Za-z]/, '%');
    case 3: return JSON.stringify({ type: Object.keys(CLIENT_EVENTS)[random(10)], [`x${random(9)}`]: ODD[random(ODD.length)] });
    case 4: return random(3) === 0 ? new Uint8Array(random(99)) : '['.repeat(random(300));
    default: return text();
  }
}

interface Played {
  readonly events: Map<string, number>;
  readonly codes: Set<string>;
}

/** One session, to its end. */
async function play({ server, records }: RealtimeRig, seed: number, speech: Int16Array, told: Played): Promise<void> {
  const random = randomOf(seed);
  const model = random(6) === 0 ? 'talk' : 'ember';
  const upgrade = await server.upgrade(new Request(`http://localhost/v1/realtime?model=${model}`));
  if ('response' in upgrade) throw new Error(`refused: ${await upgrade.response.text()}`);
  const sent: any[] = [];
  let reader: ServerSocketReader | undefined;
  const close = () => reader?.closed();
  reader = upgrade.open({
    send: async (text) => {
      await Promise.resolve();
      sent.push(JSON.parse(text));
    },
    pause: () => {}, resume: () => {}, close, terminate: close,
  });
  const count = 4 + random(16);
  for (let i = 0; i < count; i++) {
    reader.message(messageOf(random, speech));
    if (random(3) === 0) await new Promise((resolve) => setTimeout(resolve, random(20)));
  }
  // One in four goes in the middle of what it asked for; of the others the session is still there.
  if (random(4) > 0) {
    reader.message(JSON.stringify({ type: 'conversation.item.retrieve', item_id: 'never', event_id: 'last' }));
    await vi.waitFor(() => expect(sent.some(({ error }) => error?.event_id === 'last')).toBe(true), { interval: 5 });
  }
  reader.closed();
  check(sent, `seed ${seed}: ${String(records.findLast(({ error }) => error !== undefined)?.error)}`, told);
}

const REQUIRED = ['event_id', 'type'];

function check(sent: readonly any[], at: string, { events, codes }: Played): void {
  const responses = new Set<string>();
  for (const event of sent) {
    expect(REQUIRED.filter((name) => typeof event[name] !== 'string'), `${at}: ${JSON.stringify(event).slice(0, 200)}`).toEqual([]);
    events.set(event.type, (events.get(event.type) ?? 0) + 1);
    if (event.type === 'response.created') responses.add(event.response.id);
    // Deltas belong to an answer that began, and none comes behind its end.
    if (event.response_id !== undefined) expect(responses.has(event.response_id), `${at}: ${event.type}`).toBe(true);
    if (event.type === 'response.done') responses.delete(event.response.id);
    const error = event.error ?? event.response?.status_details?.error;
    if (error === undefined) continue;
    codes.add(error.code ?? error.type);
    expect(error.type, `${at}: ${JSON.stringify(error)}`).not.toBe('server_error');
  }
}

async function playAll(rig: RealtimeRig, count: number): Promise<void> {
  const speech = recordedSpeech(0, 20);
  const told: Played = { events: new Map(), codes: new Set() };
  // Each alone, so that what stays of one is seen.
  for (let seed = 0; seed < count; seed++) {
    await play(rig, seed, speech, told);
    await vi.waitFor(() => expect([rig.server.active, seed]).toEqual([0, seed]), { interval: 2 });
  }
  const failed = rig.records.filter(({ outcome, error }) => outcome === 'failed' || error !== undefined).map(({ error }) => String(error));
  expect(failed).toEqual([]);
  expect([...told.codes]).toEqual(expect.arrayContaining(['invalid_json', 'item_not_found', 'invalid_value']));
  for (const type of ['session.updated', 'response.done', 'conversation.item.added', 'input_audio_buffer.committed',
    'error']) expect(told.events.get(type), type).toBeGreaterThan(0);
}

describe.skipIf(!hasRealtimeModels)('random events', () => {
  const rig = realtimeRig();

  it(`of ${SESSIONS} sessions are answered, or told what is wrong`, () => playAll(rig, SESSIONS));

  it(`of ${MANY} sessions leave nothing behind`, { tags: ['slow'], timeout: 3_600_000 }, async () => {
    const used = () => process.memoryUsage().heapUsed;
    await playAll(rig, Math.ceil(MANY / 5));
    globalThis.gc?.();
    const before = used();
    await playAll(rig, MANY);
    globalThis.gc?.();
    expect(used() - before).toBeLessThan(globalThis.gc === undefined ? 256e6 : 32e6);
  });
});
