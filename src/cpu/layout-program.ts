/** Decides where a program's parts lie in memory, before any of it is taken. */
import { sizesOf } from '../graph/dims.ts';
import type { DimSizes } from '../graph/dims.ts';
import type { ProgramRequest, WeightSource } from '../graph/executor.ts';
import type { Graph, GraphNode } from '../graph/graph.ts';
import type { FusionRule } from '../graph/plan.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { attendsToMemory, positionsAhead } from '../graph/run-check.ts';
import { slotStates } from '../graph/state.ts';
import { widthOf } from '../graph/value.ts';
import type { ExpertLinearOp } from '../graph/ops/expert-linear.ts';
import type { GraphOp } from '../graph/ops/index.ts';
import type { LinearOp } from '../graph/ops/linear.ts';
import { usedExperts } from '../graph/ops/route.ts';
import type { Dim, Value, WeightRef } from '../graph/value.ts';
import { sourceOf } from '../graph/weight-lookup.ts';
import { bytesOfElements, elementsOf } from '../tensor/tensor-type.ts';
import { mostPartials } from './attention-tiles.ts';
import { controlBytes } from './control-layout.ts';
import type { MatrixAt } from './cpu-op-rules.ts';
import type { CpuValue } from './cpu-value.ts';
import type { KernelExports } from './kernel-module.ts';
import { layOutPages } from './kv-pages.ts';
import type { PageLayout } from './kv-pages.ts';
import { attentionSizes, graphLimits, layOutGraph, rowsPerTile } from './layout-graph.ts';
import type { GraphLayout } from './layout-graph.ts';
import { align, createBump } from './memory.ts';
import type { Bump } from './memory.ts';
import type { CpuOp } from './ops/index.ts';
import { deltaRuleScratchBytes } from './ops/delta-rule.ts';
import { expertScratchBytes } from './ops/expert-linear.ts';
import { chunkRows } from './ops/linear.ts';
import { channelScratchBytes } from './ops/channel-convolution.ts';
import { FULL_ATTENTION_SCRATCH_BYTES } from './ops/full-attention.ts';
import { GROUP_NORM_SCRATCH_BYTES } from './ops/group-norm.ts';
import { lstmScratchBytes } from './ops/lstm.ts';
import { relativeScratchBytes } from './ops/relative-attention.ts';
import { routeScratchBytes } from './ops/route.ts';
import { convolutionScratchBytes } from './ops/short-convolution.ts';
import { HEAD_BYTES, matrixSizes, packScratchBytes } from './packed-layout.ts';
import { weightCode } from './weight-code.ts';

/** Most bytes of the record that checks one weight. */
const CHECK_RECORD_BYTES = 44;

export interface ProgramLayout {
  readonly control: number;
  readonly scratch: number;
  readonly scratchBytes: number;
  readonly graphs: ReadonlyMap<string, GraphLayout>;
  readonly pages: PageLayout;
  readonly checks: number;
  /** By weight id: where it lies, and its copy as f32 where a kernel reads it as a vector. */
  readonly weights: ReadonlyMap<string, MatrixAt>;
  readonly vectors: ReadonlyMap<string, number>;
  readonly weightBytes: number;
  /** Where KV pages begin; all else lies below. */
  readonly kvBegin: number;
}

export interface LayoutOptions {
  readonly request: ProgramRequest;
  readonly kernels: KernelExports;
  readonly threads: number;
  readonly rules?: readonly FusionRule<CpuOp, CpuValue>[] | undefined;
}

export function layOutProgram({ request, kernels, threads, rules }: LayoutOptions): ProgramLayout {
  const { model, kv } = request;
  const graphs = [...model.graphs.values()];
  const pages = layOutPages(model, kv);
  const bump = createBump(kernels.heapBase());
  const control = bump.take(controlBytes(threads));
  const scratchBytes = Math.max(...graphs.map((graph) => scratchBytesOf({ request, kernels, threads }, graph)));
  const scratch = bump.take(scratchBytes * threads);
  const sizes = graphs.map(attentionSizes);
  const partials = bump.take(mostPartials(threads) * Math.max(...sizes.map(({ heads, width }) => heads * (width + 4))) * 4);
  const checks = bump.take(model.weights.length * (CHECK_RECORD_BYTES + 4));
  const vectors = layOutVectors(request, bump);
  const matrices = new Set(graphs.flatMap(({ nodes }) => nodes.flatMap(({ op }) => matrixIds(op))));
  const weights = new Map(model.weights.map(({ id }) => [id, placeWeight(sourceOf(request, id), matrices.has(id), bump)]));
  bump.take(64);
  const matrix = (id: string): MatrixAt => {
    const at = weights.get(id);
    if (at === undefined) throw new Error(`CPU plan: nothing is placed for weight ${id}`);
    return at;
  };
  const shared = { matrix, partials, pages, threads, vector: (id: string) => vectors.get(id) ?? matrix(id).address };
  const typeOf = (id: string) => sourceOf(request, id).type;
  const layouts = graphs.map((graph) =>
    layOutGraph(bump, {
      graph, sizes: request.sizes, maxPages: kv.maxPages, threads, kernels, typeOf, rules, shared, hasBursts: goesOn(model, graph),
    }),
  );
  return {
    control, scratch, scratchBytes, pages, checks, weights, vectors,
    graphs: new Map(layouts.map((layout) => [layout.graph.name, layout])),
    weightBytes: model.weights.reduce((sum, { id }) => sum + sourceOf(request, id).sizeBytes, 0),
    kvBegin: bump.take(0),
  };
}

/**
 * Whether each step of the graph follows from the tokens that were chosen after the one before: it is a decoder whose state is pages of
 * its own tokens, and which reads nothing that only the host knows.
 */
function goesOn({ decoder }: ModelGraphs, graph: Graph): boolean {
  if (decoder?.graph !== graph.name || decoder.hostRows !== undefined) return false;
  return graph.states.length > 0 && slotStates(graph.states).length === 0 && !attendsToMemory(graph) && positionsAhead(graph) === 0;
}

interface SizedOptions extends LayoutOptions {
  /** Most of every dim of the graph. */
  readonly sizes: DimSizes;
}

interface Product {
  readonly op: LinearOp | ExpertLinearOp;
  readonly x: Value;
}

/** The largest need of any step. */
function scratchBytesOf(options: LayoutOptions, graph: Graph): number {
  const attention = attentionSizes(graph);
  const vectors = rowsPerTile(attention) * attention.group;
  const tile = 256 + vectors * (8 * attention.width + 136) + 16 + (2 * 32 + 4) * attention.width * 4;
  // Eight rows of a matrix are packed at a time.
  const packing = graph.nodes.flatMap(({ op }) => matrixIds(op)).map((id) => {
    const { type, shape } = sourceOf(options.request, id);
    return packScratchBytes(matrixSizes(type, shape).rowBytes);
  });
  const sizes = sizesOf(graph.derivedDims, graphLimits(graph, options.request.sizes));
  return align(Math.max(tile, ...packing, ...graph.nodes.map((node) => nodeScratchBytes(node, { ...options, sizes }))));
}

/** Of a step of a node: a tile of a gated step beside the kernel's own, a normed row. */
function nodeScratchBytes({ op, inputs }: GraphNode, options: SizedOptions): number {
  switch (op.kind) {
    case 'shortConvolution': return convolutionScratchBytes(op);
    case 'channelConvolution': return channelScratchBytes(op);
    case 'deltaRule': return deltaRuleScratchBytes(op);
    case 'fullAttention': return FULL_ATTENTION_SCRATCH_BYTES;
    case 'relativeAttention': return relativeScratchBytes(op);
    case 'groupNorm': return GROUP_NORM_SCRATCH_BYTES;
    case 'lstm': return lstmScratchBytes(op);
    case 'rmsNorm':
    case 'layerNorm': return widthOf(inputs[0] as Value) * 4;
    case 'route': return routeScratchBytes(widthOf(inputs[0] as Value));
    case 'linear': {
      const { weightRows, rowBytes, rows, kernel, threads } = productSizes({ op, x: inputs[0] as Value }, options);
      const chunk = chunkRows(weightRows, rowBytes, threads);
      return align(Math.max(chunk.one * 4, chunk.many * 4 * rows)) + kernel;
    }
    case 'expertLinear': {
      const sizes = productSizes({ op, x: inputs[0] as Value }, options);
      return expertScratchBytes({ ...sizes, experts: op.weight.shape[0] as number, used: usedExperts(inputs[1] as Value) }) + sizes.kernel;
    }
    default: return 0;
  }
}

/** Sizes of a product with a matrix, or one matrix of several; `kernel` is what the product itself needs. */
function productSizes({ op: { weight }, x }: Product, { request, kernels, threads, sizes }: SizedOptions) {
  const [outer] = x.shape as readonly [Dim];
  const { type, shape } = sourceOf(request, weight.id);
  const [weightRows, cols] = shape.slice(-2) as [number, number];
  const code = weightCode(type);
  return {
    weightRows, threads,
    rows: typeof outer === 'number' ? outer : (sizes[outer] as number),
    rowBytes: bytesOfElements(type, cols),
    inputBytes: kernels.activationBytes(code, cols),
    kernel: kernels.matmulScratchBytes(code, cols),
  };
}

/** The weights that an op reads as f32. */
function vectorsOf(op: GraphOp): readonly WeightRef[] {
  const refs = (...found: readonly (WeightRef | undefined)[]) => found.filter((ref) => ref !== undefined);
  switch (op.kind) {
    case 'rmsNorm': return refs(op.weight);
    case 'layerNorm':
    case 'channelConvolution':
    case 'planeConvolution':
    case 'groupNorm':
    case 'shortConvolution': return refs(op.weight, op.bias);
    case 'lstm': return refs(op.weight);
    case 'overlapAdd': return refs(op.bias);
    case 'relativeAttention': return refs(op.contentBias, op.positionBias);
    case 'snake': return refs(op.frequency);
    case 'deltaRule': return refs(op.decay, op.dtBias);
    case 'route': return refs(op.selectionBias, op.expertScale);
    case 'expertLinear':
    case 'linear': return refs(op.bias);
    case 'scale': return typeof op.by === 'number' ? [] : [op.by];
    case 'attention':
    case 'storedAttention': return refs(op.sinks);
    default: return [];
  }
}

/** Gains, biases, factors, sinks and convolutions that the file does not hold as f32 get a copy that is. */
function layOutVectors(request: ProgramRequest, bump: Bump): Map<string, number> {
  const vectors = new Map<string, number>();
  for (const { op } of [...request.model.graphs.values()].flatMap(({ nodes }) => nodes)) {
    const refs = vectorsOf(op);
    for (const { id, shape } of refs) {
      if (sourceOf(request, id).type === 'f32' || vectors.has(id)) continue;
      vectors.set(id, bump.take(4 * elementsOf(shape)));
    }
  }
  return vectors;
}

/** The weights that an op reads as a matrix: what the kernels' own order of quantised weights is for. */
function matrixIds(op: GraphOp): readonly string[] {
  return op.kind === 'linear' || op.kind === 'expertLinear' || op.kind === 'embed' ? [op.weight.id] : [];
}

function placeWeight({ type, shape, sizeBytes, origin }: WeightSource, isMatrix: boolean, bump: Bump): MatrixAt {
  const expected = bytesOfElements(type, elementsOf(shape));
  if (sizeBytes !== expected)
    throw new Error(`${origin}: expected ${expected} bytes of ${type} for [${shape.join(', ')}], found ${sizeBytes}`);
  const typeCode = weightCode(type);
  const sizes = matrixSizes(type, shape);
  if (!isMatrix || !sizes.isPacked) return { address: bump.take(sizeBytes), typeCode, ...sizes, isPacked: false };
  return { address: bump.take(sizes.matrices * sizes.matrixBytes) + HEAD_BYTES, typeCode, ...sizes };
}
