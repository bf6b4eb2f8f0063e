/**
 * From a graph to a flat list of steps: fusion by rule, order, and buffers by liveness.
 * An executor brings its own rules and fused ops; this file knows neither.
 */
import type { Step } from './graph.ts';
import { formatShape } from './value.ts';
import type { Dim, Value } from './value.ts';

type AnyOp = { readonly kind: string };

/** What a rule may look at while it matches. */
export interface FusionContext<Op extends AnyOp> {
  producerOf(value: Value): Step<Op> | undefined;
  consumersOf(value: Value): readonly Step<Op>[];
  /** True when a value must exist in memory by itself: the logits, or a tap that was asked for. */
  isKept(value: Value): boolean;
}

export interface Fusion<Op extends AnyOp> {
  readonly replaced: readonly Step<Op>[];
  /** One step, or several where values change their form between them; in an order in which they can run. */
  readonly by: Step<Op> | readonly Step<Op>[];
}

/** A pattern that starts at `step`, and what does the same work; undefined where it does not match. */
export interface FusionRule<Op extends AnyOp> {
  readonly name: string;
  match(step: Step<Op>, context: FusionContext<Op>): Fusion<Op> | undefined;
}

/** Buffer of a plan: `width` elements for each row of `outer`. */
export interface BufferSlot {
  readonly index: number;
  readonly outer: Dim;
  readonly width: number;
  readonly dtype: Value['dtype'];
}

export interface Plan<Op extends AnyOp> {
  readonly steps: readonly Step<Op>[];
  readonly slots: readonly BufferSlot[];
  /** Slot of every value that some step reads or writes, inputs included, by value id. */
  readonly slotOf: ReadonlyMap<number, BufferSlot>;
  /** How often each rule fired, in the order the rules ran. */
  readonly fused: ReadonlyMap<string, number>;
}

export interface PlanOptions<Op extends AnyOp> {
  readonly steps: readonly Step<Op>[];
  readonly rules: readonly FusionRule<Op>[];
  /** Values that the caller reads after the run. */
  readonly kept: readonly Value[];
  /** Values that the caller writes before the run. */
  readonly inputs: readonly Value[];
}

function contextOf<Op extends AnyOp>(steps: readonly Step<Op>[], kept: ReadonlySet<number>): FusionContext<Op> {
  const producers = new Map<number, Step<Op>>();
  const consumers = new Map<number, Step<Op>[]>();
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
function applyRule<Op extends AnyOp>(steps: readonly Step<Op>[], rule: FusionRule<Op>, kept: ReadonlySet<number>) {
  let current = steps;
  for (let count = 0; ; ) {
    const pass = applyOnce(current, rule, kept);
    if (pass.count === 0) return { steps: current, count };
    current = pass.steps;
    count += pass.count;
  }
}

/** One pass: all matches that share no step, seen as the steps were when it began. One new order for all keeps planning linear. */
function applyOnce<Op extends AnyOp>(steps: readonly Step<Op>[], rule: FusionRule<Op>, kept: ReadonlySet<number>) {
  const context = contextOf(steps, kept);
  const fusionOf = new Map<Step<Op>, Fusion<Op>>();
  let count = 0;
  for (const step of steps) {
    const fusion = fusionOf.has(step) ? undefined : rule.match(step, context);
    if (fusion === undefined || fusion.replaced.some((replaced) => fusionOf.has(replaced))) continue;
    for (const replaced of fusion.replaced) fusionOf.set(replaced, fusion);
    count++;
  }
  if (count === 0) return { steps, count };
  const placed = new Set<Fusion<Op>>();
  const fused = steps.flatMap((step) => {
    const fusion = fusionOf.get(step);
    if (fusion === undefined) return [step];
    if (placed.has(fusion)) return [];
    placed.add(fusion);
    return fusion.by;
  });
  return { steps: inOrder(fused), count };
}

/** Stable topological order: each step right where it was, or right after the last step it reads from. */
function inOrder<Op extends AnyOp>(steps: readonly Step<Op>[]): Step<Op>[] {
  const producer = new Map<number, Step<Op>>();
  for (const step of steps) for (const output of step.outputs) producer.set(output.id, step);
  const ordered: Step<Op>[] = [];
  const state = new Map<Step<Op>, 'open' | 'done'>();
  const visit = (step: Step<Op>) => {
    if (state.get(step) === 'done') return;
    if (state.get(step) === 'open') throw new Error(`plan: step ${step.label} depends on itself`);
    state.set(step, 'open');
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

function widthOf(value: Value): number {
  return value.shape.slice(1).reduce<number>((product, dim) => product * (dim as number), 1);
}

/** Greedy slots in step order: a slot is free again after the last step that reads its value. */
function assignSlots<Op extends AnyOp>(steps: readonly Step<Op>[], inputs: readonly Value[], kept: ReadonlySet<number>) {
  const lastUse = new Map<number, number>();
  steps.forEach((step, at) => step.inputs.forEach((value) => lastUse.set(value.id, at)));
  const slots: { index: number; outer: Dim; width: number; dtype: Value['dtype'] }[] = [];
  const slotOf = new Map<number, BufferSlot>();
  const free = new Set<BufferSlot>();
  const take = (value: Value) => {
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
    for (const output of step.outputs) take(output);
    for (const value of new Set([...step.inputs, ...step.outputs])) {
      const dead = (lastUse.get(value.id) ?? at) <= at && !kept.has(value.id);
      const slot = slotOf.get(value.id);
      if (dead && slot !== undefined && !inputs.includes(value)) free.add(slot);
    }
  });
  return { slots, slotOf };
}

export function planSteps<Op extends AnyOp>(options: PlanOptions<Op>): Plan<Op> {
  const kept = new Set(options.kept.map((value) => value.id));
  const fused = new Map<string, number>();
  let steps: readonly Step<Op>[] = options.steps;
  for (const rule of options.rules) {
    const applied = applyRule(steps, rule, kept);
    steps = applied.steps;
    fused.set(rule.name, applied.count);
  }
  return { steps, fused, ...assignSlots(steps, options.inputs, kept) };
}

/** The plan as text: `12 linear b3 b1 -> b4  layers.0.attn.o  (detail)`, then the slots. */
export function printPlan<Op extends AnyOp>(title: string, plan: Plan<Op>, detail: (op: Op) => string): string {
  const slotName = (value: Value) => `b${plan.slotOf.get(value.id)?.index ?? '?'}`;
  const lines = [`plan ${title}: ${plan.steps.length} steps, ${plan.slots.length} buffers`];
  for (const [rule, count] of plan.fused) lines.push(`  rule ${rule} x${count}`);
  for (const slot of plan.slots) lines.push(`  b${slot.index} ${slot.dtype}${formatShape([slot.outer, slot.width])}`);
  plan.steps.forEach((step, at) => {
    const flow = `${step.inputs.map(slotName).join(' ')} -> ${step.outputs.map(slotName).join(' ')}`;
    lines.push(`  ${String(at).padStart(3)} ${step.op.kind} ${flow} ${detail(step.op)}`.trimEnd() + `  # ${step.label}`);
  });
  return lines.join('\n');
}
