/** WGSL that loads the codes of 32 elements and splits them into quads of four elements, as a code form reads them. */
import type { CodeField } from './code-form.ts';
import type { PartContext } from './part-context.ts';

export interface GroupQuad {
  /** Expression of its word, from `w`, the result of `words{n}`. */
  readonly word: string;
  readonly position: 0 | 4;
}

/** Elements 4q .. 4q + 3 of a group for q = 0..7. */
export function groupQuads({ bits }: Pick<CodeField, 'bits'>): readonly GroupQuad[] {
  const quads = (vector: string, position: 0 | 4) => [...'xyzw'].map((part) => ({ word: `${vector}.${part}`, position }));
  return bits === 4 ? [...quads('w', 0), ...quads('w', 4)] : [...quads('w.a', 0), ...quads('w.b', 0)];
}

/** For codes that take two vectors. */
export const WORDS_STRUCT = 'struct Words { a: vec4<u32>, b: vec4<u32> }';

export const wordsType = ({ bits }: Pick<CodeField, 'bits'>) => (bits === 4 ? 'vec4<u32>' : 'Words');

/** `fn words{n}(row, group)`, and `fn low{n}(word)`, for 4-bit codes also `fn high{n}(word)`: codes as vec4<f32>, in the form's sense. */
export function groupFunctions(context: PartContext): string {
  const { n, shape, form, field } = context;
  const head = `fn words${n}(row: u32, group: u32) -> ${wordsType(field)} {\n  let at = row * ${shape.cols / 32}u + group;`;
  const quad = (name: string, position: 0 | 4) => `fn ${name}${n}(word: u32) -> vec4<f32> { return ${form.quad('word', { ...field, position })}; }`;
  const vector = (words: string) => form.prepare(words, field);
  switch (field.bits) {
    case 4:
      return [`${head}\n  return ${vector(`p${n}_codes[at]`)};\n}`, quad('low', 0), quad('high', 4)].join('\n');
    case 8:
      return [`${head}\n  return Words(${vector(`p${n}_codes[2u * at]`)}, ${vector(`p${n}_codes[2u * at + 1u]`)});\n}`, quad('low', 0)].join('\n');
    case 6: {
      const half = (low: string, high: string) => vector(`((${low} & vec4<u32>(0x0f0f0f0fu)) | (vec4<u32>(${high} << 4u, ${high} << 2u, ${high}, ${high} >> 2u) & vec4<u32>(0x30303030u)))`);
      return [`${head}\n  let c = p${n}_codes[at];\n  let h = p${n}_high[at];\n  return Words(${half('c', 'h.x')}, ${half('(c >> vec4<u32>(4u))', 'h.y')});\n}`, quad('low', 0)].join('\n');
    }
    default:
      throw new Error(`gemv-float: no reader for ${JSON.stringify(field.bits satisfies never)}-bit codes`);
  }
}

/** The quad's codes as vec4<f32>. */
export function quadCall(n: number, { word, position }: GroupQuad): string {
  return `${position === 4 ? 'high' : 'low'}${n}(${word})`;
}
