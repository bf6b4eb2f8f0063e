/**
 * From a graph to a flat list of steps: fusion by rule, order, and buffers by liveness.
 * An executor brings its own rules and fused ops; this file knows neither.
 */
import type { Step } from './graph.ts';
import { formatShape, widthOf } from './value.ts';
import type { Dim, Value } from './value.ts';

type AnyOp = { readonly kind: string };
/** A plan's values may be of types that only its executor knows. */
type AnyValue = Value<string>;

/** What a rule may look at while it matches. */
export interface FusionContext<Op extends AnyOp, V extends AnyValue = Value> {
  producerOf(value: V): Step<Op, V> | undefined;
  consumersOf(value: V): readonly Step<Op, V>[];
  /** True when a value must exist in memory by itself: the logits, or a tap that was asked for. */
  isKept(value: V): boolean;
}

export interface Fusion<Op extends AnyOp, V extends AnyValue = Value> {
  readonly replaced: readonly Step<Op, V>[];
  /** One step, or several where values change their form between them; in an order in which they can run. */
  readonly by: Step<Op, V> | readonly Step<Op, V>[];
}

/** A pattern that starts at `step`, and what does the same work; undefined where it does not match. */
export interface FusionRule<Op extends AnyOp, V extends AnyValue = Value> {
  readonly name: string;
  match(step: Step<Op, V>, context: FusionContext<Op, V>): Fusion<Op, V> | undefined;
}

/** Buffer of a plan: `width` elements for each row of `outer`. */
export interface BufferSlot {
  readonly index: number;
  readonly outer: Dim;
  readonly width: number;
  readonly dtype: string;
}

export interface Plan<Op extends AnyOp, V extends AnyValue = Value> {
  readonly steps: readonly Step<Op, V>[];
  readonly slots: readonly BufferSlot[];
  /** Slot of every value that some step reads or writes, inputs included, by value id. */
  readonly slotOf: ReadonlyMap<number, BufferSlot>;
  /** How often each rule fired, in the order the rules ran. */
  readonly fused: ReadonlyMap<string, number>;
}

export interface PlanOptions<Op extends AnyOp, V extends AnyValue = Value> {
  readonly steps: readonly Step<Op, V>[];
  readonly rules: readonly FusionRule<Op, V>[];
  /** Values that the caller reads after the run. */
  readonly kept: readonly V[];
  /** Values that the caller writes before the run. */
  readonly inputs: readonly V[];
}

function contextOf<Op extends AnyOp, V extends AnyValue>(steps: readonly Step<Op, V>[], kept: ReadonlySet<number>): FusionContext<Op, V> {
  const producers = new Map<number, Step<Op, V>>();
  const consumers = new Map<number, Step<Op, V>[]>();
  for (const step of steps) {
    for (const output of step.outputs) producers.set(output.id, step);
    for (const input of new Set(step.inputs)) {
      const list = consumers.get(input.id);
      if (list === undefined) consumers.set(input.id, [step]);
      else list.push(step);
    }
  }
  return {
    producerOf: (value) => producers.get(value.id),
    consumersOf: (value) => consumers.get(value.id) ?? [],
    isKept: (value) => kept.has(value.id),
  };
}

/** Applies one rule from the first step to the last, again and again until it matches nowhere. */
function applyRule<Op extends AnyOp, V extends AnyValue>(
  steps: readonly Step<Op, V>[],
  rule: FusionRule<Op, V>,
  kept: ReadonlySet<number>,
) {
  let current = steps;
  for (let count = 0; ;) {
    const pass = applyOnce(current, rule, kept);
    if (pass.count === 0) return { steps: current, count };
    current = pass.steps;
    count += pass.count;
  }
}

/** One pass: all matches that share no step, seen as the steps were when it began. One new order for all keeps planning linear. */
function applyOnce<Op extends AnyOp, V extends AnyValue>(
  steps: readonly Step<Op, V>[],
  rule: FusionRule<Op, V>,
  kept: ReadonlySet<number>,
) {
  const context = contextOf(steps, kept);
  const fusionOf = new Map<Step<Op, V>, Fusion<Op, V>>();
  let count = 0;
  for (const step of steps) {
    const fusion = fusionOf.has(step) ? undefined : rule.match(step, context);
    if (fusion === undefined || fusion.replaced.some((replaced) => fusionOf.has(replaced))) continue;
    for (const replaced of fusion.replaced) fusionOf.set(replaced, fusion);
    count++;
  }
  if (count === 0) return { steps, count };
  const placed = new Set<Fusion<Op, V>>();
  const fused = steps.flatMap((step) => {
    const fusion = fusionOf.get(step);
    if (fusion === undefined) return [step];
    if (placed.has(fusion)) return [];
    placed.add(fusion);
    return fusion.by;
  });
  return { steps: inOrder(fused), count };
}

/** For each step that names a state, the one before it that names the same: what one writes and the other reads is no value. */
function stateOrder<Op extends AnyOp, V extends AnyValue>(steps: readonly Step<Op, V>[]): ReadonlyMap<Step<Op, V>, Step<Op, V>> {
  const before = new Map<Step<Op, V>, Step<Op, V>>();
  const last = new Map<unknown, Step<Op, V>>();
  for (const step of steps) {
    const { state } = step.op as { readonly state?: unknown };
    if (state === undefined) continue;
    const previous = last.get(state);
    if (previous !== undefined) before.set(step, previous);
    last.set(state, step);
  }
  return before;
}

/** Stable topological order: each step right where it was, or right after the last step it reads from. */
function inOrder<Op extends AnyOp, V extends AnyValue>(steps: readonly Step<Op, V>[]): Step<Op, V>[] {
  const producer = new Map<number, Step<Op, V>>();
  for (const step of steps) for (const output of step.outputs) producer.set(output.id, step);
  const before = stateOrder(steps);
  const ordered: Step<Op, V>[] = [];
  const state = new Map<Step<Op, V>, 'open' | 'done'>();
  const visit = (step: Step<Op, V>) => {
    if (state.get(step) === 'done') return;
    if (state.get(step) === 'open') throw new Error(`plan: step ${step.label} depends on itself`);
    state.set(step, 'open');
    const previous = before.get(step);
    if (previous !== undefined) visit(previous);
    for (const input of step.inputs) {
      const from = producer.get(input.id);
      if (from !== undefined) visit(from);
    }
    state.set(step, 'done');
    ordered.push(step);
  };
  steps.forEach(visit);
  return ordered;
}

/** Greedy slots in step order: a slot is free again after the last step that reads its value. */
function assignSlots<Op extends AnyOp, V extends AnyValue>(steps: readonly Step<Op, V>[], inputs: readonly V[], kept: ReadonlySet<number>) {
  const lastUse = new Map<number, number>();
  steps.forEach((step, at) => step.inputs.forEach((value) => lastUse.set(value.id, at)));
  const slots: { index: number; outer: Dim; width: number; dtype: string }[] = [];
  const slotOf = new Map<number, BufferSlot>();
  const free = new Set<BufferSlot>();
  const take = (value: V) => {
    const outer = value.shape[0] as Dim;
    const fits = [...free].find((slot) => slot.outer === outer && slot.dtype === value.dtype);
    const slot = fits === undefined ? { index: slots.length, outer, width: 0, dtype: value.dtype } : slots[fits.index];
    if (slot === undefined) throw new Error('plan: a freed slot is unknown');
    if (fits === undefined) slots.push(slot);
    else free.delete(fits);
    slot.width = Math.max(slot.width, widthOf(value));
    slotOf.set(value.id, slot);
  };
  inputs.forEach(take);
  steps.forEach((step, at) => {
    const missing = step.inputs.find(({ id }) => !slotOf.has(id));
    if (missing !== undefined) throw new Error(`plan: ${step.label} reads ${missing.label}, which nothing before it makes`);
    for (const output of step.outputs) take(output);
    for (const value of new Set([...step.inputs, ...step.outputs])) {
      const dead = (lastUse.get(value.id) ?? at) <= at && !kept.has(value.id);
      const slot = slotOf.get(value.id);
      if (dead && slot !== undefined && !inputs.includes(value)) free.add(slot);
    }
  });
  return { slots, slotOf };
}

export function planSteps<Op extends AnyOp, V extends AnyValue>(options: PlanOptions<Op, V>): Plan<Op, V> {
  const kept = new Set(options.kept.map((value) => value.id));
  const fused = new Map<string, number>();
  let steps: readonly Step<Op, V>[] = options.steps;
  for (const rule of options.rules) {
    const applied = applyRule(steps, rule, kept);
    steps = applied.steps;
    fused.set(rule.name, applied.count);
  }
  return { steps, fused, ...assignSlots(steps, options.inputs, kept) };
}

/** The plan as text: `12 linear b3 b1 -> b4  layers.0.attn.o  (detail)`, then the slots. */
export function printPlan<Op extends AnyOp, V extends AnyValue>(title: string, plan: Plan<Op, V>, detail: (op: Op) => string): string {
  const slotName = (value: V) => `b${plan.slotOf.get(value.id)?.index ?? '?'}`;
  const lines = [`plan ${title}: ${plan.steps.length} steps, ${plan.slots.length} buffers`];
  for (const [rule, count] of plan.fused) lines.push(`  rule ${rule} x${count}`);
  for (const slot of plan.slots) lines.push(`  b${slot.index} ${slot.dtype}${formatShape([slot.outer, slot.width])}`);
  plan.steps.forEach((step, at) => {
    const flow = `${step.inputs.map(slotName).join(' ')} -> ${step.outputs.map(slotName).join(' ')}`;
    lines.push(`  ${String(at).padStart(3)} ${step.op.kind} ${flow} ${detail(step.op)}`.trimEnd() + `  # ${step.label}`);
  });
  return lines.join('\n');
}
