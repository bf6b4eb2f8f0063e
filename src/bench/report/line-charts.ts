/** Charts of measures whose names have a number. */
import type { Chart } from './chart.ts';

export interface ChartRule extends Pick<Chart, 'id' | 'title' | 'note' | 'unit' | 'xLabel' | 'isLogX'> {
  /** With a group that is x. */
  readonly measure: RegExp;
}

export const LINES: readonly ChartRule[] = [
  {
    id: 'decode-context',
    title: 'Decode by context',
    measure: /^decode \d+ after (\d+)$/,
    unit: 'tok/s',
    xLabel: 'tokens before',
    isLogX: true,
    note: 'Tokens a second of one conversation, by how many tokens it has already.',
  },
  {
    id: 'prefill-length',
    title: 'Prefill by prompt',
    measure: /^prefill (\d+)$/,
    unit: 'tok/s',
    xLabel: 'tokens of the prompt',
    isLogX: true,
    note: 'Tokens a second of reading a prompt.',
  },
  {
    id: 'turns',
    title: 'Time to the first token by turn',
    measure: /^TTFT of turn (\d+)$/,
    unit: 'ms',
    xLabel: 'turn',
    isLogX: false,
    note: 'A conversation whose earlier turns are reused.',
  },
  {
    id: 'streams',
    title: 'Many answers at once',
    measure: /^(\d+) streams?, answers$/,
    unit: 'tok/s',
    xLabel: 'answers at once',
    isLogX: true,
    note: 'Tokens a second of all answers together, prompts included.',
  },
  {
    id: 'streams-first',
    title: 'First token under load',
    measure: /^(\d+) streams?, first token p99$/,
    unit: 'ms',
    xLabel: 'answers at once',
    isLogX: true,
    note: '99 of 100 first tokens come within this.',
  },
  {
    id: 'streams-gap',
    title: 'Gaps under load',
    measure: /^(\d+) streams?, gap p99$/,
    unit: 'ms',
    xLabel: 'answers at once',
    isLogX: true,
    note: '99 of 100 waits between two pieces of an answer are no longer than this.',
  },
  {
    id: 'streams-each',
    title: 'Speed of each of many answers',
    measure: /^(\d+) streams?, gap p50$/,
    unit: 'ms',
    xLabel: 'answers at once',
    isLogX: true,
    note: 'Half of the waits between two pieces of an answer are no longer than this.',
  },
  {
    id: 'drift-decode',
    title: 'Decode over minutes without rest',
    measure: /^drift at ([\d.]+) s, decode$/,
    unit: 'tok/s',
    xLabel: 'seconds',
    isLogX: false,
    note: 'Turns of one conversation after another. A line that falls tells of heat, or of memory.',
  },
  {
    id: 'drift-first',
    title: 'First tokens over minutes without rest',
    measure: /^drift at ([\d.]+) s, first token$/,
    unit: 'ms',
    xLabel: 'seconds',
    isLogX: false,
    note: 'Of turns of about 30 tokens, with what was said before reused.',
  },
  {
    id: 'drift-memory',
    title: 'Memory over minutes without rest',
    measure: /^drift at ([\d.]+) s, memory$/,
    unit: 'MB',
    xLabel: 'seconds',
    isLogX: false,
    note: 'Resident memory of the engine\'s process.',
  },
];
