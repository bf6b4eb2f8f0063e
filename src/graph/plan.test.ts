import { describe, expect, it } from 'vitest';
import type { Step } from './graph.ts';
import { planSteps } from './plan.ts';
import type { FusionRule } from './plan.ts';
import type { Value } from './value.ts';

interface Op {
  readonly kind: string;
}

let nextId = 0;
const value = (width: number): Value => ({ id: nextId++, dtype: 'f32', shape: ['rows', width], label: '' });
const step = (kind: string, inputs: Value[], outputs: Value[]): Step<Op> => ({ op: { kind }, inputs, outputs, label: kind });

/** x -> a -> b -> c, and d = a + c at the end, so that a lives on while b and c come and go. */
function diamond() {
  const [x, a, b, c, d] = [value(4), value(4), value(8), value(4), value(4)];
  const steps = [step('first', [x], [a]), step('second', [a], [b]), step('third', [b], [c]), step('sum', [a, c], [d])];
  return { x, a, b, c, d, steps };
}

const fuseThirdIntoSum: FusionRule<Op> = {
  name: 'third+sum',
  match(sum, context) {
    const third = sum.op.kind === 'sum' ? context.producerOf(sum.inputs[1] as Value) : undefined;
    const between = third?.outputs[0];
    if (third === undefined || between === undefined) return undefined;
    if (context.isKept(between) || context.consumersOf(between).length !== 1) return undefined;
    return { replaced: [third, sum], by: { ...step('thirdSum', [...third.inputs, sum.inputs[0] as Value], [...sum.outputs]) } };
  },
};

describe('planSteps', () => {
  it('gives values that live at the same time buffers of their own, and uses freed ones again', () => {
    const { x, a, b, c, d, steps } = diamond();
    const { slotOf, slots } = planSteps({ steps, rules: [], kept: [d], inputs: [x] });
    const slot = (v: Value) => slotOf.get(v.id)?.index;
    expect(new Set([slot(a), slot(b), slot(c)]).size).toBe(3);
    expect(slot(d)).toBe(slot(b));
    expect(slots.map(({ width }) => width)).toEqual([4, 4, 8, 4]);
  });

  it('never frees inputs or kept values', () => {
    const { x, a, b, c, d, steps } = diamond();
    const { slotOf } = planSteps({ steps, rules: [], kept: [a, b, d], inputs: [x] });
    const indices = [x, a, b, d].map((v) => slotOf.get(v.id)?.index);
    expect(new Set(indices).size).toBe(4);
    expect(slotOf.get(c.id)?.index).not.toBe(slotOf.get(b.id)?.index);
  });

  it('fuses where a rule matches, and not across a value that is kept', () => {
    const { x, c, d, steps } = diamond();
    const fused = planSteps({ steps, rules: [fuseThirdIntoSum], kept: [d], inputs: [x] });
    expect(fused.steps.map(({ op }) => op.kind)).toEqual(['first', 'second', 'thirdSum']);
    expect(fused.fused.get('third+sum')).toBe(1);
    const tapped = planSteps({ steps, rules: [fuseThirdIntoSum], kept: [c, d], inputs: [x] });
    expect(tapped.steps.map(({ op }) => op.kind)).toEqual(['first', 'second', 'third', 'sum']);
  });

  it('puts a fused step after everything that it reads', () => {
    const [x, a, b, c, d] = [value(1), value(1), value(1), value(1), value(1)];
    const steps = [step('left', [x], [a]), step('other', [x], [c]), step('right', [c], [b]), step('end', [a, b], [d])];
    const pair: FusionRule<Op> = {
      name: 'left+right',
      match(left, { consumersOf }) {
        const right = left.op.kind === 'left' ? consumersOf(c)[0] : undefined;
        return right && { replaced: [left, right], by: step('both', [x, c], [a, b]) };
      },
    };
    const plan = planSteps({ steps, rules: [pair], kept: [d], inputs: [x] });
    expect(plan.steps.map(({ op }) => op.kind)).toEqual(['other', 'both', 'end']);
  });

  it('says so when a rule makes a circle', () => {
    const { x, d, steps } = diamond();
    const circle: FusionRule<Op> = {
      name: 'circle',
      match: (first, { consumersOf }) => {
        if (first.op.kind !== 'first') return undefined;
        const sum = consumersOf(first.outputs[0] as Value).find(({ op }) => op.kind === 'sum') as Step<Op>;
        return { replaced: [first, sum], by: step('ends', [x, sum.inputs[1] as Value], [...first.outputs, ...sum.outputs]) };
      },
    };
    expect(() => planSteps({ steps, rules: [circle], kept: [d], inputs: [x] })).toThrow('depends on itself');
  });
});
