import { describe, expect, it } from 'vitest';
import { textGraphOf } from '../graph/model-graphs.ts';
import { multiplyAddsOf } from '../graph/multiply-adds.ts';
import type { DecoderConfig } from '../models/decoder-config.ts';
import { ARCHITECTURES } from '../models/open-decoder.ts';
import { synthPlan } from '../models/synth-shapes.ts';
import type { SynthModel } from '../models/synth-shapes.ts';
import { prefillRowsOf } from './model-room.ts';

function graphOf(model: SynthModel, changes: Partial<DecoderConfig> = {}) {
  const config = { ...synthPlan(model, 'q4_0').config, ...changes };
  const architecture = ARCHITECTURES.find(({ gguf }) => gguf === config.architecture)!;
  return textGraphOf(architecture.graphs(config, { contextLength: 4096, constants: new Map() }));
}

describe('rows of a chunk', () => {
  const nvidia = { prefillRows: 1024, chunkMultiplyAdds: 9e12 };

  it('halve until a chunk takes a tenth of a second', () => {
    expect(prefillRowsOf(graphOf('qwen3-4b'), nvidia)).toBe(1024);
    expect(prefillRowsOf(graphOf('qwen3-8b'), nvidia)).toBe(1024);
    // Twice as many layers are 14 G multiply-adds a row, eight times as many 56.
    const { layers } = synthPlan('qwen3-8b', 'q4_0').config;
    expect(prefillRowsOf(graphOf('qwen3-8b', { layers: 2 * layers }), nvidia)).toBe(512);
    expect(prefillRowsOf(graphOf('qwen3-8b', { layers: 8 * layers }), nvidia)).toBe(128);
    expect(prefillRowsOf(graphOf('qwen3-8b'), { prefillRows: 128, chunkMultiplyAdds: 1 })).toBe(64);
  });

  it('count the experts of a row, not all', () => {
    expect(prefillRowsOf(graphOf('qwen3-30b-a3b'), nvidia)).toBe(1024);
  });

  it('are what suits the device where it names no more, and the default where it names none', () => {
    expect(prefillRowsOf(graphOf('qwen3-8b'), { prefillRows: 32 })).toBe(32);
    expect(prefillRowsOf(graphOf('qwen3-8b'), {})).toBe(256);
  });
});

it("a row's multiply-adds are those of the shapes", () => {
  const { row, outRow } = multiplyAddsOf(graphOf('qwen3-4b'));
  expect(row).toBe(36 * (2560 * (4096 + 2 * 1024) + 4096 * 2560 + 3 * 2560 * 9728));
  expect(outRow).toBe(151936 * 2560);
});
