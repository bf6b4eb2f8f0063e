/** docs/formats.md: its tables from the registry of formats and from what was measured. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { layOutMatrix, packedFormatOf } from '../../src/gpu/packed-layout.ts';
import { SYNTH_MODELS, synthPlan } from '../../src/models/synth-shapes.ts';
import { bytesOfElements, elementsOf } from '../../src/tensor/tensor-type.ts';
import { formatOf, WEIGHT_TYPES } from '../../src/tensor/formats/weight-formats.ts';
import type { WeightType } from '../../src/tensor/formats/weight-formats.ts';

const PAGE = new URL('../../docs/formats.md', import.meta.url);
const RESULTS = new URL('../../bench/results/formats.jsonl', import.meta.url);

/** One line of `ingot bench --json`, as far as the page reads it. */
interface Measured {
  readonly time: string;
  readonly commit: string;
  readonly machine: { readonly cpu: string; readonly cores: number };
  readonly model: { readonly file: string; readonly sizeBytes: number | null };
  readonly device: { readonly kind: 'gpu' | 'cpu'; readonly adapter?: { readonly description: string; readonly device: string } };
  readonly measure: string;
  readonly engine: { readonly name: string };
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly limit?: { readonly perToken: number };
}

/** Of a file; a folder's is not measured. */
const gigabytes = ({ model }: Measured): string => (model.sizeBytes === null ? '' : (model.sizeBytes / 1e9).toFixed(2));

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return [heads, heads.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Of a large matrix, whose planes' alignment does not count. */
function bitsOnGpu(type: WeightType): string {
  const [rows, cols] = [4096, 4096];
  return ((8 * layOutMatrix(packedFormatOf(type), rows, cols).sizeBytes) / (rows * cols)).toFixed(3);
}

/** MLX's widths are shown in groups of 64 with bf16 scales alone: the others differ in their share of scales. */
const SHOWN = WEIGHT_TYPES.filter((type) => !type.startsWith('affine') || type.endsWith('_g64_bf16'));

function formatTable(): string {
  const rows = SHOWN.map((type) => {
    const { blockSize, ggmlId, encode } = formatOf(type);
    const bits = ((8 * bytesOfElements(type, blockSize)) / blockSize).toFixed(4).replace(/\.?0+$/, '');
    return [`\`${type}\``, ggmlId === undefined ? 'folders' : 'GGUF', String(blockSize), bits, bitsOnGpu(type), encode ? 'yes' : 'no'];
  });
  return table(['type', 'from', 'block', 'bits', 'bits on the GPU', 'encoder'], rows);
}

function measured(kind: 'gpu' | 'cpu'): Measured[] {
  if (!existsSync(RESULTS)) return [];
  const lines = readFileSync(RESULTS, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Measured).filter((row) => row.device.kind === kind && row.measure.startsWith('decode'));
}

/** Bits of a weight in a file, its vocabulary among them: the model's name begins the file's. Nothing is known of folders. */
function bitsInFile({ file, sizeBytes }: Measured['model']): string {
  const model = SYNTH_MODELS.find((name) => file.startsWith(`${name}-`));
  if (sizeBytes === null || model === undefined) return '';
  const weights = synthPlan(model, 'f16').tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0);
  return ((8 * sizeBytes) / weights).toFixed(2);
}

/** The newest rows of each file: Ingot beside llama-bench, of one run. */
function speedTable(kind: 'gpu' | 'cpu'): string {
  const rows = measured(kind);
  const files = [...new Set(rows.map(({ model }) => model.file))];
  const newest = (file: string, engine: string) => rows.findLast((row) => row.model.file === file && row.engine.name === engine);
  const cells = files.flatMap((file) => {
    const own = newest(file, 'ingot');
    const rival = newest(file, 'llama-bench');
    if (own === undefined) return [];
    const bytes = own.limit ? `${((own.median * own.limit.perToken) / 1e9).toFixed(kind === 'gpu' ? 0 : 1)}` : '';
    const range = (row: Measured) => `${row.median.toFixed(1)} (${row.min.toFixed(1)}-${row.max.toFixed(1)})`;
    const beside = rival ? [range(rival), `${(own.median / rival.median).toFixed(2)}x`] : ['', ''];
    return [[file, gigabytes(own), bitsInFile(own.model), range(own), ...beside, bytes, own.commit]];
  });
  if (cells.length === 0) return 'Not measured yet.';
  const { machine, device } = rows.at(-1) as Measured;
  const where = device.adapter ? `${device.adapter.device}, ${device.adapter.description}` : `${machine.cpu}, ${machine.cores} cores`;
  const heads = ['file', 'GB', 'bits of a weight', 'Ingot, tok/s (range)', 'llama-bench', 'ratio', 'GB/s read', 'commit'];
  return `${where}; decode of 128 tokens after 128, medians, both engines on one file in one run.\n\n${table(heads, cells)}`;
}

test('the tables are those of the registry and of the measurements', async () => {
  const tables = { formats: formatTable(), gpu: speedTable('gpu'), cpu: speedTable('cpu') };
  const page = readFileSync(PAGE, 'utf8').replace(/<!-- (\w+) -->[^]*?<!-- end -->/g, (_, name: keyof typeof tables) =>
    `<!-- ${name} -->\n${tables[name]}\n<!-- end -->`);
  await expect(page).toMatchFileSnapshot(PAGE.pathname);
});
