/** Progress events as a bar on a terminal, and as a plain line now and then elsewhere. */
import type { OnProgress, ProgressEvent, ProgressPhase } from '../tensor/progress.ts';
import { formatBytes, formatRate, withThousands } from './quantities.ts';
import { createTerminal } from './terminal.ts';
import type { OutputStream, Terminal } from './terminal.ts';

export interface ProgressDisplay {
  readonly onProgress: OnProgress;
  /** Takes the bar away. Call before anything else is written to the terminal. */
  clear(): void;
}

export interface ProgressOptions {
  /** Says what is being done, in place of the phase's own word. */
  readonly label?: string;
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

const WORDS: Readonly<Record<ProgressPhase, string>> = {
  download: 'downloading',
  load: 'loading',
  compile: 'compiling',
  warmup: 'warming up',
  prefill: 'reading the prompt',
  convert: 'writing',
};

/** Work that is over sooner shows nothing: a bar that flashes by is noise. */
const PATIENCE_MS = 300;
const REDRAW_MS = 80;
/** Without a terminal: a line per tenth, and not more often than this. */
const LINE_MS = 2000;
const BAR_COLUMNS = 24;

interface Run {
  readonly phase: ProgressPhase;
  readonly startMs: number;
  shownMs: number;
  shownTenth: number;
}

export function createProgressDisplay(stream: OutputStream, options: ProgressOptions = {}): ProgressDisplay {
  const terminal = createTerminal(stream);
  const now = options.now ?? (() => performance.now());
  let run: Run | undefined;
  let isDrawn = false;
  const clear = () => {
    if (isDrawn) terminal.write('\r\u001b[2K');
    isDrawn = false;
  };
  return {
    clear,
    onProgress(event) {
      const atMs = now();
      if (run === undefined || run.phase !== event.phase) run = { phase: event.phase, startMs: atMs, shownMs: atMs, shownTenth: 0 };
      const text = describeProgress(event, { label: options.label, elapsedMs: atMs - run.startMs });
      if (!terminal.isTty) return writeLine(terminal, { run, event, text, atMs });
      if (atMs - run.startMs < PATIENCE_MS || (isDrawn && atMs - run.shownMs < REDRAW_MS && event.loaded < event.total)) return;
      run.shownMs = atMs;
      isDrawn = true;
      terminal.write(`\r\u001b[2K${fit(`${text.label} ${bar(event, terminal)} ${text.figures}`, terminal)}`);
    },
  };
}

function writeLine(terminal: Terminal, { run, event, text, atMs }: { run: Run; event: ProgressEvent; text: ProgressText; atMs: number }): void {
  const tenth = Math.floor(10 * share(event));
  if (tenth <= run.shownTenth || atMs - run.shownMs < LINE_MS) return;
  run.shownMs = atMs;
  run.shownTenth = tenth;
  terminal.write(`ingot: ${text.label} ${text.figures}\n`);
}

function share({ loaded, total }: ProgressEvent): number {
  return total > 0 ? Math.min(1, loaded / total) : 0;
}

interface ProgressText {
  readonly label: string;
  readonly figures: string;
}

/** `writing`, ` 45%  150 MB of 336 MB  1.2 GB/s` */
function describeProgress(event: ProgressEvent, { label, elapsedMs }: { label: string | undefined; elapsedMs: number }): ProgressText {
  const { phase, loaded, total } = event;
  const percent = `${Math.floor(100 * share(event))}%`.padStart(4);
  const perSecond = elapsedMs > 0 ? (1000 * loaded) / elapsedMs : 0;
  const isTokens = phase === 'prefill';
  const isItems = phase === 'compile' || phase === 'warmup';
  const amount = isTokens || isItems ? `${withThousands(loaded)} of ${withThousands(total)}${isTokens ? ' tokens' : ''}` : `${formatBytes(loaded)} of ${formatBytes(total)}`;
  const rate = elapsedMs < 200 || isItems ? '' : isTokens ? `  ${formatRate(perSecond)} tok/s` : `  ${formatBytes(Math.round(perSecond))}/s`;
  return { label: label ?? WORDS[phase], figures: `${percent}  ${amount}${rate}` };
}

function bar(event: ProgressEvent, terminal: Terminal): string {
  const filled = Math.round(BAR_COLUMNS * share(event));
  if (!terminal.hasColour) return `[${'#'.repeat(filled)}${'.'.repeat(BAR_COLUMNS - filled)}]`;
  return '\u2588'.repeat(filled) + terminal.dim('\u2591'.repeat(BAR_COLUMNS - filled));
}

/** A line that wraps could not be taken back; without its styles it is cut as text. */
function fit(line: string, terminal: Terminal): string {
  const plain = line.replace(/\u001b\[\d+m/g, '');
  return plain.length < terminal.columns() ? line : plain.slice(0, terminal.columns() - 1);
}
