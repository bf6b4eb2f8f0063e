/** How a sampler's last kernel hands its tokens on: to the next decode step, and through rings to the host. */
import type { Binding } from '../../kernel.ts';
import { ROWS_BINDING } from '../../sampling/sampler-variant.ts';
import type { SamplerVariant } from '../../sampling/sampler-variant.ts';
import { STATUS_BAD_LOGITS } from '../../sampling/sampling-record.ts';

/** Words of a sequence before its ring: tokens of the answer so far, status, the last token, and one that pads. */
export const CHOSEN_WORDS = 4;
/** Where the last token is among them. */
export const LAST_WORD = 2;

/** Bytes of a sequence in `chosen`. */
export function chosenBytes({ ringSize }: Pick<SamplerVariant, 'ringSize'>): number {
  return (CHOSEN_WORDS + ringSize) * 4;
}

/** `tokens` and `positions` as the step's inputs; `chosen` a sequence; `rows`; with penalties `counts` [sequences][vocab]. */
export function emitBindings({ penalties }: SamplerVariant): readonly Binding[] {
  const write = (name: string, type = 'array<u32>'): Binding => ({ name, access: 'write', type });
  return [
    write('tokens'), write('positions'), write('chosen', 'array<Chosen>'), ROWS_BINDING, ...(penalties ? [write('counts')] : []),
  ];
}

/**
 * `emit(row, token, usable)`, to be called by one invocation: the step's token of that row becomes this one, its position moves on by one,
 * what is kept of its sequence and with penalties the counts take it. `usableKey(key)`: whether the largest key (argmax.ts) is that of a
 * finite logit.
 */
export function emitToken({ penalties, ringSize, vocab }: SamplerVariant): string {
  return `struct Chosen { written: u32, status: u32, last: u32, pad: u32, ring: array<u32, ${ringSize}> }
fn usableKey(key: u32) -> bool {
  return key < 0xff800000u && key > 0x007fffffu;
}
fn emit(row: u32, found: u32, usable: bool) {
  let sequence = rows[row].y;
  let token = select(0u, found, usable);
  tokens[row] = token;
  positions[row] += 1u;
  let written = chosen[sequence].written;
  chosen[sequence].ring[written & ${ringSize - 1}u] = token;
  chosen[sequence].written = written + 1u;
  chosen[sequence].last = token;
  if (!usable) { chosen[sequence].status |= ${STATUS_BAD_LOGITS}u; }
${penalties ? `  counts[sequence * ${vocab}u + token] += 1u;\n` : ''}}
`;
}
