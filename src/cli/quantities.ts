/** Numbers as people read them. */
import { threeDigits } from '../tensor/format-bytes.ts';

/** `21.0 M`, `596 M`, `4.02 B` */
export function formatCount(count: number): string {
  if (count < 1e4) return String(count);
  if (count < 1e6) return `${threeDigits(count / 1e3)} k`;
  return count < 999.5e6 ? `${threeDigits(count / 1e6)} M` : `${threeDigits(count / 1e9)} B`;
}

/** `23 ms`, `1.4 s`, `2 min 5 s` */
export function formatDuration(durationMs: number): string {
  if (durationMs < 999.5) return `${Math.round(durationMs)} ms`;
  if (durationMs < 99_500) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `6.5`, `61.3`, `613` */
export function formatRate(perSecond: number): string {
  return perSecond >= 99.95 ? String(Math.round(perSecond)) : perSecond.toFixed(1);
}

/** `1,234,567` */
export function withThousands(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

export function plural(count: number, noun: string): string {
  return `${withThousands(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** A number that is one of f32's by the fewest digits that f32 reads as the same: 1e-6, not 9.999999974752427e-7. Others as they are. */
export function shortestFloat(value: number): number {
  if (Number.isSafeInteger(value) || Math.fround(value) !== value) return value;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

/** {@link shortestFloat} as text, small numbers as people write them: `1e-6`, `0.05`, `10000`. */
export function formatFloat(value: number): string {
  const short = shortestFloat(value);
  return short !== 0 && Math.abs(short) < 1e-4 ? short.toExponential() : String(short);
}
