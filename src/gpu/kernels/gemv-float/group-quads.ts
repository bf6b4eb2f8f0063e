/**
 * WGSL that loads the codes of a lane's piece of a row and splits them into quads of four elements, as a code form reads them. A piece
 * is a group of 32 elements or, where two lanes share a group, 16 of them: as many as lie together in half of the group's bytes.
 */
import type { CodeField } from './code-form.ts';
import type { PartContext } from './part-context.ts';

export interface PieceQuad {
  /** Expression of its word, from `w`, the result of `words{n}`. */
  readonly word: string;
  readonly position: 0 | 4;
  /** Its number in x, from the piece's first quad on. */
  readonly at: number;
  /** Which 16 elements of the group it belongs to. */
  readonly half: 0 | 1;
}

/** Quads of a piece, by number. */
export function pieceQuads({ field: { bits }, lanesPerGroup }: Pick<PartContext, 'field' | 'lanesPerGroup'>): readonly PieceQuad[] {
  const run = (vector: string, half: 0 | 1, position: 0 | 4 = 0) =>
    [...(lanesPerGroup === 2 && bits !== 8 ? 'xy' : 'xyzw')].map((part, i) => ({
      word: `${vector}.${part}`,
      position,
      at: 4 * half + i,
      half,
    }));
  if (bits === 4) return [...run('w', 0), ...run('w', 1, 4)];
  return bits === 8 && lanesPerGroup === 2 ? run('w', 0) : [...run('w.a', 0), ...run('w.b', 1)];
}

/** WGSL of the first quad of a piece in a row of x; `part` is 0 or 1 where lanes share a group. */
export function firstQuad({ field: { bits }, lanesPerGroup }: PartContext): string {
  return lanesPerGroup === 1 ? '8u * group' : `8u * group + ${bits === 8 ? 4 : 2}u * part`;
}

const vectorType = (lanesPerGroup: 1 | 2) => (lanesPerGroup === 2 ? 'vec2<u32>' : 'vec4<u32>');

/** For codes that take two vectors. */
export const wordsStruct = (lanesPerGroup: 1 | 2) => `struct Words { a: ${vectorType(lanesPerGroup)}, b: ${vectorType(lanesPerGroup)} }`;

export function wordsType({ field: { bits }, lanesPerGroup }: PartContext): string {
  if (bits === 4) return vectorType(lanesPerGroup);
  return bits === 8 && lanesPerGroup === 2 ? 'vec4<u32>' : 'Words';
}

/** WGSL type that plane `codes` is bound as: what a lane loads at once. */
export function codesElement(bits: CodeField['bits'], lanesPerGroup: 1 | 2): string {
  return bits === 8 ? 'vec4<u32>' : vectorType(lanesPerGroup);
}

/** Body of `words{n}`: loads of element `at`, the piece's number in the plane. */
function wordsBody({ n, form, field, lanesPerGroup }: PartContext): string[] {
  const vector = vectorType(field.bits === 8 ? 1 : lanesPerGroup);
  const prepare = (words: string) => form.prepare(words, field, vector);
  const codes = `p${n}_codes`;
  if (field.bits === 4) return [`return ${prepare(`${codes}[at]`)};`];
  if (field.bits === 8)
    return [
      lanesPerGroup === 2
        ? `return ${prepare(`${codes}[at]`)};`
        : `return Words(${prepare(`${codes}[2u * at]`)}, ${prepare(`${codes}[2u * at + 1u]`)});`,
    ];
  const shifts = lanesPerGroup === 2 ? ['<< 4u', '<< 2u'] : ['<< 4u', '<< 2u', '<< 0u', '>> 2u'];
  const join = (low: string, high: string) =>
    prepare(
      `((${low} & ${vector}(0x0f0f0f0fu)) | (${vector}(${shifts.map((shift) => `${high} ${shift}`).join(', ')}) & ${vector}(0x30303030u)))`,
    );
  return [
    `let c = ${codes}[at];`,
    lanesPerGroup === 2 ? `let h = p${n}_high[at >> 1u] >> vec2<u32>(4u * (at & 1u));` : `let h = p${n}_high[at];`,
    `return Words(${join('c', 'h.x')}, ${join(`(c >> ${vector}(4u))`, 'h.y')});`,
  ];
}

/** `fn words{n}(row, unit)`, and `fn low{n}(word)`, for 4-bit codes also `fn high{n}(word)`: codes as vec4<f32>, in the form's sense. */
export function pieceFunctions(context: PartContext): string {
  const { n, shape, form, field, lanesPerGroup } = context;
  const quad = (name: string, position: 0 | 4) =>
    `fn ${name}${n}(word: u32) -> vec4<f32> { return ${form.quad('word', { ...field, position })}; }`;
  return [
    `fn words${n}(row: u32, unit: u32) -> ${wordsType(context)} {`,
    ...[`let at = row * ${(shape.cols / 32) * lanesPerGroup}u + unit;`, ...wordsBody(context)].map((line) => `  ${line}`),
    '}',
    quad('low', 0),
    ...(field.bits === 4 ? [quad('high', 4)] : []),
  ].join('\n');
}

/** The quad's codes as vec4<f32>. */
export function quadCall(n: number, { word, position }: Pick<PieceQuad, 'word' | 'position'>): string {
  return `${position === 4 ? 'high' : 'low'}${n}(${word})`;
}
