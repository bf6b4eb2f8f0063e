/**
 * What a step takes on an NVIDIA H200, from measurements of single kernels, copies and empty work there. No figure comes of rows of a
 * benchmark; that a term was missing was seen by them.
 * Where each comes from stands beside it; docs/experiments.md has the runs.
 */
import type { ModelPlan } from '../../gpu/plan/model-plan.ts';
import { reportDecode, reportPrefill } from '../../gpu/plan/plan-report.ts';
import type { ReportedDispatch, StepReport } from '../../gpu/plan/plan-report.ts';
import { H200_TILES } from '../../gpu/kernels/matrix-gemm/matrix-table.ts';

/** Copied by a kernel, read plus written, of arrays of 256 MB (`ingot doctor`). */
const BYTES_PER_SECOND = 3.94e12;
/** From the start of a small dispatch to the next one's that needs it: GEMVs of few bytes in a chain took 3.5 to 4.5 us. */
const DISPATCH_US = 4;
/** The same of a product on matrix units, by the table that picks tiles (matrix-table.ts). */
const PRODUCT_US = 5;
const CORES = 132;
/**
 * Attention on matrix units, one workgroup a core, of four subgroups and of eight: what each takes beside its keys, and its multiply-adds
 * one after another (matrix-attention.mjs, 32 heads of 128: 36 and 39 us of 512 rows, 108 and 79 to 85 of 1,024, 4,522 and 2,850 to 3,080
 * behind 31,744).
 */
const ATTENTION = { narrow: { us: 9.5, usAMac: 2.2e-6 }, wide: { us: 14, usAMac: 1.5e-6 } } as const;
const NARROW_INVOCATIONS = 128;
/**
 * A product of experts: tiles of 32 pairs and 64 columns, a step of 64 of the depth, three to a core (gpu-token.mjs, 8 layers of the 30B at
 * 512 rows: gate and up 382 us, down 209).
 */
const EXPERT_TILE = { rows: 32, columns: 64, depth: 64, stepUs: 1, perCore: 3 } as const;
/** Decode attention, 256 invocations to a head of 128 (gpu-attention.mjs): 6, 10, 34, 126 us behind 128, 256, 1,024, 4,096 keys. */
const DECODE_ATTENTION_US = 2;
const DECODE_ATTENTION_US_A_KEY = 0.0305;
/**
 * Bytes that its last cache holds, and what a product's text costs that is not in it: 512 rows of the 3B and 4B take 79 and 74 us a layer,
 * of four products each, more than their kernels kind by kind (docs/experiments.md, "One text").
 */
const CACHE_BYTES = 50e6;
const TEXT_US = 18;
/**
 * A run beside its dispatches: writes and the first part encoded before the device begins, logits read at its end (gpu-token.mjs, `runUs`
 * less `us`, 3B and 4B).
 */
const RUN_US = 1000;

interface Chunk {
  readonly rows: number;
  /** Most that a row attends to. */
  readonly keys: number;
}

/** Tokens a second of a prompt that is read in chunks as the program cuts it. */
export function prefillOnH200(plan: ModelPlan, tokens: number): number {
  const { profile, sizes } = plan.options;
  const most = Math.min(profile.prefillRows, ...Object.values(sizes));
  let seconds = RUN_US / 1e6;
  for (let before = 0; before < tokens; before += most) {
    const rows = Math.min(most, tokens - before);
    seconds += stepSeconds(reportPrefill(plan, rows, before), { rows, keys: before + rows });
  }
  return tokens / seconds;
}

/** Tokens a second of one sequence, each of which attends to so many keys. */
export function decodeOnH200(plan: ModelPlan, keys: number): number {
  return 1 / stepSeconds(reportDecode(plan, keys), { rows: 1, keys });
}

/** Seconds of a step whose dispatches follow one another. */
function stepSeconds({ dispatches }: Pick<StepReport, 'dispatches'>, { rows, keys }: Chunk): number {
  let bytesSoFar = 0;
  /** By kernel: bytes that had passed when its text was last read. */
  const texts = new Map<string, number>();
  let us = 0;
  for (const dispatch of dispatches) {
    const { kernel, bytes } = dispatch;
    const reading = (bytes / BYTES_PER_SECOND) * 1e6;
    const product = productUs(dispatch, rows);
    if (product !== undefined) {
      const passed = bytesSoFar - (texts.get(kernel.key) ?? -Infinity);
      us += PRODUCT_US + Math.max(product, reading) + (passed > CACHE_BYTES ? TEXT_US : 0);
      texts.set(kernel.key, bytesSoFar + bytes);
    } else if (kernel.label.startsWith('attention-matrix')) {
      us += Math.max(attentionUs(dispatch, { rows, keys }), reading);
    } else us += Math.max(DISPATCH_US + reading, decodeAttentionUs(dispatch) ?? 0);
    bytesSoFar += bytes;
  }
  return us / 1e6;
}

/** The keys of a workgroup one after another, by the label of the kernel; undefined: it is another kernel. */
function decodeAttentionUs({ kernel: { label, workgroupSize }, multiplyAdds }: ReportedDispatch): number | undefined {
  const found = /^attention-decode \S+ \[(\d+)\/\d+, (\d+)\](?: (\d+)x(\d+))?/.exec(label);
  if (found === null) return undefined;
  const [heads = 1, width = 1, splits = 1, granule = 1] = found.slice(1).map((text) => (text === undefined ? undefined : Number(text)));
  const keys = multiplyAdds / (heads * 2 * width);
  const each = splits === 1 ? keys : Math.ceil(keys / (splits * granule)) * granule;
  return DECODE_ATTENTION_US + each * DECODE_ATTENTION_US_A_KEY * (256 / workgroupSize) * (width / 128);
}

/** A product's tiles, by the label of its kernel: as many rounds as its workgroups take, each of so many steps along the depth. */
function productUs({ kernel: { label }, workgroups: [x, y, z], multiplyAdds }: ReportedDispatch, rows: number): number | undefined {
  const found = /^matrix-gemm \S+ \[\d+, \d+\] (\d+)x(\d+)x/.exec(label);
  if (found === null) return expertsUs(label, multiplyAdds);
  const [tileRows = 0, tileCols = 0] = found.slice(1).map(Number);
  const time = H200_TILES.find((each) => each.tileRows === tileRows && each.tileCols === tileCols);
  if (time === undefined) return undefined;
  const count = x * y * z;
  const steps = multiplyAdds / count / (Math.min(rows, tileRows) * tileCols * time.tileDepth);
  return Math.ceil(count / (time.perCore * CORES)) * steps * time.stepUs;
}

/** The workgroup with most keys, or a core's share of all, and the beginnings of as many workgroups as a core has. */
function attentionUs({ kernel: { workgroupSize }, workgroups: [x, y, z], multiplyAdds }: ReportedDispatch, { rows, keys }: Chunk): number {
  const count = x * y * z;
  const { us, usAMac } = workgroupSize > NARROW_INVOCATIONS ? ATTENTION.wide : ATTENTION.narrow;
  const most = ((multiplyAdds / count) * keys) / (keys - rows / 2);
  return Math.ceil(count / CORES) * us + Math.max(most, multiplyAdds / CORES) * usAMac;
}

/** A product of experts, whose last tiles are half full on average; undefined: it is another kernel. */
function expertsUs(label: string, multiplyAdds: number): number | undefined {
  const found = /^matrix-gemm \S+ \[(\d+), (\d+), (\d+)\]/.exec(label);
  if (found === null) return undefined;
  const [experts = 0, out = 0, cols = 0] = found.slice(1).map(Number);
  const { rows, columns, depth, stepUs, perCore } = EXPERT_TILE;
  const tiles = (multiplyAdds / (out * cols) / rows + experts / 2) * Math.ceil(out / columns);
  return (tiles / (perCore * CORES)) * Math.ceil(cols / depth) * stepUs;
}
