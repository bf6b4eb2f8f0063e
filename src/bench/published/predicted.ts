/**
 * What ingot should reach on a chip that we have not: its own plan of a step at the shares of the chip's peaks that microbenchmarks reach.
 * Also what any engine with as many bytes and as few dispatches would reach, which the published rows are held against.
 */
import { planOfShape } from '../plan-of-shape.ts';
import { reportDecode, reportPrefill } from '../../gpu/plan/plan-report.ts';
import type { StepReport } from '../../gpu/plan/plan-report.ts';
import { PROFILES } from '../../gpu/profile/profiles.ts';
import type { ProfileName } from '../../gpu/profile/device-profile.ts';
import { synthPlan } from '../../models/synth-shapes.ts';
import { CHIPS, DISPATCH_SECONDS, REACHED } from './chips.ts';
import type { Chip } from './chips.ts';
import type { PublishedRow } from './published-rows.ts';

/** Keys of the middle token of 128 after a prompt of a few, as tg128 has them. */
const DECODE_KEYS = 64;
const PROMPT_ROWS = 512;

export interface Prediction {
  readonly tokensPerSecond: number;
  /** Bytes of a token at the predicted speed, over the chip's peak; of a prompt multiply-adds. */
  readonly share: number;
  readonly dispatches: number;
}

/** Seconds of a step whose dispatches follow one another: each waits for its bytes or its products, whichever takes longer. */
function stepSeconds({ bytes, multiplyAdds, dispatches }: StepReport, chip: Chip): number {
  const reading = bytes / (chip.bytesPerSecond * REACHED.bandwidth);
  const multiplying = multiplyAdds / (chip.multiplyAddsPerSecond * REACHED.matrices);
  return Math.max(reading, multiplying) + dispatches.length * DISPATCH_SECONDS;
}

/** What ingot should reach of this row; undefined of measures that no one step decides. */
export function predictRow({ model, type, measure, chip: name }: Omit<PublishedRow, 'value' | 'engine'>): Prediction | undefined {
  if (measure !== 'decode' && measure !== 'prefill 512') return undefined;
  const chip = CHIPS[name];
  const isDecode = measure === 'decode';
  const report = reportOf({ model, type, isDecode, profile: chip.profile });
  const seconds = stepSeconds(report, chip);
  const rows = isDecode ? 1 : PROMPT_ROWS;
  const share = isDecode ? report.bytes / seconds / chip.bytesPerSecond : report.multiplyAdds / seconds / chip.multiplyAddsPerSecond;
  return { tokensPerSecond: rows / seconds, share, dispatches: report.dispatches.length };
}

/** The share of the chip's peak that a published speed comes to, with the bytes, or products, of our plan of that shape. */
export function shareOfRow({ model, type, measure, chip: name, value }: PublishedRow): number | undefined {
  if (measure !== 'decode' && measure !== 'prefill 512') return undefined;
  const chip = CHIPS[name];
  const report = reportOf({ model, type, isDecode: measure === 'decode', profile: chip.profile });
  if (measure === 'decode') return (report.bytes * value) / chip.bytesPerSecond;
  return ((report.multiplyAdds / PROMPT_ROWS) * value) / chip.multiplyAddsPerSecond;
}

type Shape = Pick<PublishedRow, 'model' | 'type'> & { readonly isDecode: boolean; readonly profile: ProfileName };
const reports = new Map<string, StepReport>();

/** Plans of whole models take a second or two: each is made once. */
function reportOf({ model, type, isDecode, profile }: Shape): StepReport {
  const key = `${model} ${type} ${isDecode} ${profile}`;
  let report = reports.get(key);
  if (report === undefined) {
    const { layers } = synthPlan(model, 'q4_0').config;
    const plan = planOfShape({ model, type, profile: PROFILES[profile], config: { layers } });
    report = isDecode ? reportDecode(plan, DECODE_KEYS) : reportPrefill(plan, PROMPT_ROWS);
    reports.set(key, report);
  }
  return report;
}
