import type { Interval } from '../noise.ts';

/** A figure as it is shown. */
export interface Point extends Interval {
  readonly engine: string;
  readonly model: string;
  /** When and where, where these rows are of several occasions: their bars stand apart. */
  readonly occasion?: string | undefined;
  /** The best of those tried: `1 thread, batch 512`. */
  readonly setting?: string | undefined;
  /** Tokens, turns, streams or runs; a name where the chart has bars. */
  readonly x: number | string;
  readonly y: number;
  /** Of the machine's limit. */
  readonly share?: number | undefined;
  /** Not measured by whoever made the report, on other hardware: `published 2026-03`, or `predicted, not measured`. */
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
