/** From a graph to GPU steps, one by one and unfused; rules.ts fuses them. */
import type { Graph } from '../../graph/graph.ts';
import { lowerNodes } from '../../graph/lower-nodes.ts';
import type { GraphOp } from '../../graph/ops/index.ts';
import { planSteps } from '../../graph/plan.ts';
import { positionsAhead } from '../../graph/run-check.ts';
import type { Plan } from '../../graph/plan.ts';
import type { Value } from '../../graph/value.ts';
import type { TypeOf } from '../../graph/weight-lookup.ts';
import { takesInt8 } from '../../tensor/formats/weight-formats.ts';
import { listsOf } from '../ops/expert-lists.ts';
import { LOWERINGS } from '../ops/index.ts';
import type { GpuOp, GpuStep } from '../ops/index.ts';
import { blockFusions } from './block-rules.ts';
import { cutToLimits } from './device-limits.ts';
import type { LimitCheck, LimitOptions } from './device-limits.ts';
import { chooseEmbed, embedTables } from './embed-tables.ts';
import type { Lower } from './gpu-op-rules.ts';
import { roundedForm } from './gpu-value.ts';
import type { GpuValue } from './gpu-value.ts';
import { gpuRules } from './rules.ts';
import type { RuleChoices } from './rules.ts';
import { sumSuits } from './sum-product.ts';

export interface GpuPlanOptions {
  readonly typeOf: TypeOf;
  /** How quantised matrices take their input: rounded to int8, or as floats. */
  readonly activations: 'int8' | 'float';
  /** `one`: a single row whose logits are wanted, so that nothing has to be gathered. */
  readonly rows: 'one' | 'many';
  /** Values, besides the outputs, that must exist after the run. */
  readonly taps?: readonly Value[] | undefined;
  /** Inputs that have a place even where no step reads them: the sampler writes the next token and its position there. */
  readonly heldInputs?: readonly Value[] | undefined;
  /** Of the device whose kernels the steps get, with what says which of them do not fit; without them nothing is cut. */
  readonly limits?: { readonly check: LimitCheck; readonly choices: LimitOptions } | undefined;
  /** Rules to leave out, by name: the same results, slower. For tests and experiments. */
  readonly withoutRules?: readonly string[] | undefined;
}

export type GpuPlan = Plan<GpuOp, GpuValue>;

export function planForGpu(graph: Graph, options: GpuPlanOptions): GpuPlan {
  const { typeOf, withoutRules, taps = [], heldInputs = [], limits } = options;
  const steps = lowerGraph(graph, options);
  const read = new Set(steps.flatMap(({ inputs }) => inputs));
  const rules = gpuRules(typeOf, choicesOf(graph, options)).filter(({ name }) => !withoutRules?.includes(name));
  const planBy = (all: typeof rules) =>
    withMakersValues(planSteps<GpuOp, GpuValue>({
      steps,
      rules: all,
      kept: [...graph.outputs.values(), ...taps],
      inputs: [...graph.inputs.values()].filter((value) => read.has(value) || heldInputs.includes(value)),
    }));
  const plan = planBy(rules);
  if (limits === undefined || plan.steps.every((step) => limits.check(step) === undefined)) return plan;
  return planBy([...rules, cutToLimits(limits.check, limits.choices)]);
}

/** Rules that only some graphs and devices have a use for. */
function choicesOf(graph: Graph, { limits, rows }: Pick<GpuPlanOptions, 'limits' | 'rows'>): RuleChoices {
  if (limits === undefined) return {};
  const { check, choices: options } = limits;
  const count = (kind: GraphOp['kind']) => graph.nodes.filter(({ op }) => op.kind === kind).length;
  const device = { check, options };
  return {
    sumSuits: rows === 'one' ? sumSuits(check, options) : undefined,
    tables: [...(count('embed') > 1 ? [embedTables(device)] : []), ...(count('choose') > 0 ? [chooseEmbed(device)] : [])],
    blocks: options.profile.knobs.blocks.weights > 0 && positionsAhead(graph) > 0 ? blockFusions(device) : [],
  };
}

/** Rules change the dtype of what a step makes; its readers then still name the value as it was. */
function withMakersValues(plan: GpuPlan): GpuPlan {
  const made = new Map(plan.steps.flatMap(({ outputs }) => outputs.map((value) => [value.id, value])));
  return { ...plan, steps: plan.steps.map((step) => ({ ...step, inputs: step.inputs.map((value) => made.get(value.id) ?? value) })) };
}

function lowerGraph(graph: Graph, { typeOf, activations, rows }: GpuPlanOptions): GpuStep[] {
  const ends = new Set([...graph.outputs.values(), ...graph.taps.values()].map(({ id }) => id));
  /** Experts that routes choose of, by the routes' ids. */
  const routed = new Map<number, number>();
  return lowerNodes<GpuOp, 'q8' | 'q8n'>(graph, {
    makeForm(value) {
      const count = routed.get(value.id);
      if (count !== undefined) {
        const lists = listsOf(value);
        return { op: { kind: 'expertLists', count }, inputs: [value], outputs: [lists], label: lists.label };
      }
      const codes = roundedForm(value);
      return { op: { kind: 'quantize', norm: undefined, gather: false }, inputs: [value], outputs: [codes], label: codes.label };
    },
    lower(node, formOf) {
      const lower = LOWERINGS[node.op.kind] as unknown as Lower<GraphOp, GpuOp>;
      return lower(node, {
        // What the graph ends in has a place of its own, so that it is made even where it only repeats another value.
        single: rows === 'one' && !node.outputs.some(({ id }) => ends.has(id)),
        routesFor(routes, experts) {
          if (rows === 'one') return routes;
          routed.set(routes.id, experts);
          return formOf(routes);
        },
        inputFor: ({ id }, x) => (activations === 'int8' && takesInt8(typeOf(id)) ? formOf(x) : x),
      });
    },
  });
}
