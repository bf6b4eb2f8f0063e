import type { Interval } from '../noise.ts';

/** A figure as it is shown. */
export interface Point extends Interval {
  readonly engine: string;
  readonly model: string;
  /** Tokens, turns, streams or runs; a name where the chart has bars. */
  readonly x: number | string;
  readonly y: number;
  /** Of the machine's limit. */
  readonly share?: number | undefined;
  /** Not measured by whoever made the report: published elsewhere, on other hardware. */
  readonly published?: string | undefined;
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly note: string;
  readonly unit: string;
  /** Places are points that no line joins, with their models' names. */
  readonly kind: 'bars' | 'lines' | 'places';
  /** What x counts, of lines and places. */
  readonly xLabel: string;
  readonly isLogX: boolean;
  readonly points: readonly Point[];
}
