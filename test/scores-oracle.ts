/**
 * Cases of what a graph may say of attention beside heads and scale: softcap, sinks, temperature of queries, windows on both sides,
 * the widths of heads that models have, keys and values of the layer before. `attention-oracle.ts` checks them.
 */
import type { KvChoice } from '../src/graph/kv-types.ts';
import type { AttentionLayers, AttentionWidths } from './attention-oracle.ts';

type Case = readonly [name: string, layers: AttentionLayers];

/** Odd widths, three query heads a key head. */
const odd = { heads: 6, kvHeads: 2, keyDim: 22, valueDim: 13 } as const;
const even = { heads: 4, kvHeads: 2, keyDim: 16, valueDim: 16 } as const;
const temperature = { beta: 0.7, length: 5 } as const;
/** Scores reach from about -2 to 2. */
const softcap = 0.6;
const all = { softcap, sinks: true, temperature } as const;

/** Each with keys and values of a type. */
export function scoreCases(kv: KvChoice): readonly Case[] {
  const layer = (fields: Omit<AttentionWidths, 'kv'>): AttentionWidths => ({ ...fields, kv });
  const both = { bidirectional: true } as const;
  const cases: readonly (readonly [string, readonly Omit<AttentionWidths, 'kv'>[]])[] = [
    ['a softcap', [{ ...odd, softcap }]],
    ['sinks', [{ ...odd, sinks: true }]],
    ['a temperature', [{ ...odd, temperature }]],
    ['all of them in a window', [{ ...odd, ...all, window: 6 }]],
    ['both directions', [{ ...odd, ...both }]],
    ['an even window on both sides', [{ ...odd, ...both, window: 8 }]],
    ['an odd window on both sides, all of them', [{ ...odd, ...both, ...all, window: 7 }]],
    ['a window of 1 on both sides', [{ ...even, ...both, window: 1 }]],
    ['one direction beside both', [{ ...even, window: 5 }, { ...even, ...both, window: 9 }, { ...even, ...both, sinks: true }]],
    ['keys and values of the layer before, in a window', [{ ...odd, window: 6 }, { ...odd, ...all, window: 6, stored: true }]],
    ['keys and values of the layer before', [{ ...even, softcap }, { ...even, temperature, stored: true }]],
    ['seven query heads on one key head', [{ ...odd, heads: 7, kvHeads: 1, ...all }]],
  ];
  return cases.map(([name, layers]) => [name, layers.map(layer) as unknown as AttentionLayers]);
}

/** The widths of heads that models have. */
const WIDTHS = [64, 80, 96, 112, 128, 192, 256, 512];

export function widthCases(kv: KvChoice): readonly Case[] {
  const shape = { heads: 2, kvHeads: 1, kv } as const;
  return [
    ...WIDTHS.map((width): Case => [`heads of ${width}`, [{ ...shape, keyDim: width, valueDim: width, ...all }]]),
    ['heads of 64 in a window beside heads of 256', [
      { kv, heads: 8, kvHeads: 2, keyDim: 64, valueDim: 64, window: 9 }, { kv, heads: 2, kvHeads: 1, keyDim: 256, valueDim: 256 },
    ]],
    ['heads of 512 beside heads of 256 in a window', [
      { kv, heads: 1, kvHeads: 1, keyDim: 512, valueDim: 512, sinks: true },
      { kv, heads: 2, kvHeads: 2, keyDim: 256, valueDim: 256, window: 3 },
    ]],
  ];
}

/** For {@link checkLongAttention}: one key head, so that its keys are shared out. */
export function longCases(kv: KvChoice): readonly Case[] {
  const shape = { kv, heads: 3, kvHeads: 1, keyDim: 10, valueDim: 6 } as const;
  const one = { kv, heads: 1, kvHeads: 1, keyDim: 8, valueDim: 18 } as const;
  return [
    ['softcap, sinks and temperature', [{ ...shape, ...all }]],
    ['sinks in a window that most parts lie outside of', [{ ...shape, sinks: true, window: 40 }]],
    ['a window on both sides', [{ ...shape, ...all, bidirectional: true, window: 300 }]],
    ['keys and values of the layer before', [shape, { ...shape, ...all, stored: true }]],
    ['two widths', [{ ...shape, sinks: true }, { ...one, softcap }]],
  ];
}
