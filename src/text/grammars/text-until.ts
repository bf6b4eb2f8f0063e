/** Any text up to the first place where a mark has come, the mark with it: thoughts that a prompt has opened. */
import { codeRanges, complementOf } from './code-ranges.ts';
import type { CharDfa, CodeRanges } from './grammar-node.ts';

/** State n: the last n characters are the first n of the mark, and no more are (Knuth, Morris, Pratt 1977). @param mark not empty */
export function textUntil(mark: string): CharDfa {
  const codes = Array.from(mark, (char) => char.codePointAt(0) as number);
  const distinct = [...new Set(codes)];
  const others = complementOf(codeRanges(distinct.map((code) => [code, code])));
  const edges = codes.map((_, state) => {
    const byState = new Map<number, [number, number][]>();
    for (const code of distinct) {
      const to = longestBeginning(codes, [...codes.slice(0, state), code]);
      byState.set(to, [...(byState.get(to) ?? []), [code, code]]);
    }
    byState.set(0, [...(byState.get(0) ?? []), ...(others as [number, number][])]);
    return [...byState].map(([to, ranges]): { ranges: CodeRanges; to: number } => ({ ranges: codeRanges(ranges), to }));
  });
  return { edges: [...edges, []], isFinal: [...codes.map(() => false), true] };
}

/** How many of a mark's first characters a text ends with. */
function longestBeginning(codes: readonly number[], text: readonly number[]): number {
  for (let length = Math.min(codes.length, text.length); length > 0; length--)
    if (codes.slice(0, length).every((code, i) => code === text[text.length - length + i])) return length;
  return 0;
}
