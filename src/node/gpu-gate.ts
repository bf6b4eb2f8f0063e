/** One gate for each GPU of the process, whichever of its models opens it. */
import type { AdapterFacts } from '../gpu/device/adapter-facts.ts';
import { createIdleGate } from '../gpu/tuning/idle-gate.ts';
import type { IdleGate } from '../gpu/tuning/idle-gate.ts';

/**
 * They lie on the process's global object, since this module may be loaded twice in one process. Of another version of the package, too: a
 * new number where what lies there, or {@link IdleGate}, has another form.
 */
const GATES = Symbol.for('ingot.gpu-gates.1');

/** GPUs of one name share a gate: Dawn opens them by name, and does not tell which of them it opened. */
export function gateOf({ vendor, architecture, device, description }: AdapterFacts): IdleGate {
  const holder = globalThis as { [GATES]?: Map<string, IdleGate> };
  const gates = (holder[GATES] ??= new Map());
  const key = JSON.stringify([vendor, architecture, device, description]);
  const gate = gates.get(key) ?? createIdleGate();
  gates.set(key, gate);
  return gate;
}
