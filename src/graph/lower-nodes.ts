/** The way from a graph to the steps of an executor's plan, op by op and unfused, which all planners go. */
import type { Graph, Step } from './graph.ts';
import type { GraphOp } from './ops/index.ts';
import type { GraphType, Value } from './value.ts';

/** The step's op, with its inputs where they are not the node's own; or `same`: the node's output is that value. */
export type Lowered<Op, Form extends string> =
  | { readonly op: Op; readonly inputs?: readonly Value<GraphType | Form>[] }
  | { readonly same: Value<GraphType | Form> };

export interface LowerOptions<Op extends { readonly kind: string }, Form extends string> {
  /** The step that makes the other form of a value, its only output. */
  readonly makeForm: (value: Value<GraphType | Form>) => Step<Op, Value<GraphType | Form>>;
  /** `formOf` gives the other form of a value: made once, where it is first asked for. */
  readonly lower: (
    node: Step<GraphOp, Value<GraphType | Form>>,
    formOf: (value: Value<GraphType | Form>) => Value<GraphType | Form>,
  ) => Lowered<Op, Form>;
}

/**
 * Labels and outputs of the steps are the nodes'.
 * @typeParam Form types of values that only the executor's plan has
 */
export function lowerNodes<Op extends { readonly kind: string }, Form extends string>(
  graph: Graph,
  { makeForm, lower }: LowerOptions<Op, Form>,
): Step<Op, Value<GraphType | Form>>[] {
  type PlanValue = Value<GraphType | Form>;
  const steps: Step<Op, PlanValue>[] = [];
  const forms = new Map<number, PlanValue>();
  /** Values that are another one: by their ids. */
  const same = new Map<number, PlanValue>();
  const formOf = (value: PlanValue): PlanValue => {
    const known = forms.get(value.id);
    if (known !== undefined) return known;
    const step = makeForm(value);
    const form = step.outputs[0] as PlanValue;
    forms.set(value.id, form);
    steps.push(step);
    return form;
  };
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => same.get(value.id) ?? value);
    const lowered = lower({ ...node, inputs }, formOf);
    if ('same' in lowered) same.set((node.outputs[0] as Value).id, lowered.same);
    else steps.push({ inputs, outputs: node.outputs, label: node.label, ...lowered });
  }
  return steps;
}
