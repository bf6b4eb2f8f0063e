import { describe, expect, test } from 'vitest';
import { hasShared } from '../../../test/fixture-tensors.ts';
import { LFM2_AUDIO_GOLDEN } from '../../../test/lfm2-audio-golden.ts';
import { checkChances, checkCuts, checkFlows, checkVoice } from '../../../test/talk-golden.ts';
import type { Executor } from '../../graph/executor.ts';
import { openExecutor } from '../../node/load-model.ts';
import { createReferenceExecutor } from '../../reference/reference-executor.ts';
import { createTalkFlow } from './talk-flow.ts';

const ROOMS: readonly (readonly [string, number, () => Promise<Executor>])[] = [
  ['the reference', 1e-5, async () => createReferenceExecutor()],
  ['the CPU', 5e-5, () => openExecutor({ device: 'cpu', threads: 2 })],
];

describe.skipIf(!hasShared(LFM2_AUDIO_GOLDEN)).each(ROOMS)('talk on %s', (_, tolerance, open) => {
  test('gives the answers of all six flows', async () => checkFlows(await open()));
  test('goes on where it was cut', async () => checkCuts(await open()));
  test('speaks frames as they come', async () => checkVoice(await open(), tolerance));
  test('draws by its settings', async () => checkChances(await open()));
});

test('a flow that is over asks for speech until that ends, then for text, and for speech again', () => {
  const flow = createTalkFlow({ kind: 'interleaved', text: 2, audio: 3 }, 9);
  expect([flow.makes, flow.ahead]).toEqual(['text', 2]);
  flow.take({ token: 130 });
  expect([flow.makes, flow.ahead]).toEqual(['audio', Infinity]);
  for (let i = 0; i < 5; i++) flow.take({ codes: [1] });
  expect(flow.makes).toBe('audio');
  flow.take({ codes: [9] });
  expect([flow.makes, flow.ahead]).toEqual(['text', 1]);
  flow.take({ token: 40 });
  expect(flow.makes).toBe('audio');
  flow.take({ codes: [9] });
  expect(flow.take({ token: 7 })).toEqual({ isEmitted: false, isOver: true });
});
