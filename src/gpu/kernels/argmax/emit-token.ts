/** How a sampler's last kernel hands its token on: to the next decode step, and through the ring to the host. */
import type { Binding } from '../../kernel.ts';
import type { SamplerVariant } from '../../sampling/sampler-variant.ts';
import { STATUS_BAD_LOGITS } from '../../sampling/sampling-record.ts';

/** `tokens` and `positions` as the step's inputs; `ring` u32 [ringSize]; `control` (written, status); with penalties `counts`. */
export function emitBindings({ penalties }: SamplerVariant): readonly Binding[] {
  const write = (name: string, type = 'array<u32>'): Binding => ({ name, access: 'write', type });
  return [write('tokens'), write('positions'), write('ring'), write('control', 'Control'), ...(penalties ? [write('counts')] : [])];
}

/**
 * `emit(token, usable)`, to be called by one invocation: tokens[0] becomes the token, positions[0] moves on by one, the ring and with
 * penalties the counts take it. `usableKey(key)`: whether the largest key (argmax.ts) is that of a finite logit.
 */
export function emitToken({ penalties, ringSize }: SamplerVariant): string {
  return `struct Control { written: u32, status: u32 }
fn usableKey(key: u32) -> bool {
  return key < 0xff800000u && key > 0x007fffffu;
}
fn emit(found: u32, usable: bool) {
  let token = select(0u, found, usable);
  tokens[0] = token;
  positions[0] += 1u;
  ring[control.written & ${ringSize - 1}u] = token;
  control.written += 1u;
  if (!usable) { control.status |= ${STATUS_BAD_LOGITS}u; }
${penalties ? '  counts[token] += 1u;\n' : ''}}
`;
}
