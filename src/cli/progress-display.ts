/**
 * Progress events as a bar on a terminal; elsewhere nothing, or a plain line now and then where that is asked for. Why the work stands
 * still is told anywhere, on a line that stays.
 */
import type { OnProgress, ProgressEvent, ProgressPhase } from '../tensor/progress.ts';
import { formatBytes } from '../tensor/format-bytes.ts';
import { formatDuration, formatRate, withThousands } from './quantities.ts';
import { createTerminal, printable } from './terminal.ts';
import type { OutputStream, Terminal } from './terminal.ts';
import { cutToWidth, widthOf } from './text-width.ts';

export interface ProgressDisplay {
  readonly onProgress: OnProgress;
  /** Says that a phase begins whose first event may be late: its name shows when patience ends. */
  expect(phase: ProgressPhase): void;
  /** Takes the bar away. Call before anything else is written to the terminal. */
  clear(): void;
}

export interface ProgressOptions {
  /** Says what is being done, in place of the phase's own word. */
  readonly label?: string;
  /** Where there is no terminal: a line per tenth, for commands whose work is the progress. Default false. */
  readonly hasLines?: boolean;
}

const WORDS: Readonly<Record<ProgressPhase, string>> = {
  download: 'downloading',
  load: 'loading',
  compile: 'compiling',
  warmup: 'warming up',
  prefill: 'reading the prompt',
  convert: 'writing',
  transcribe: 'listening',
  speak: 'speaking',
};

/** Work that is over sooner shows nothing: a bar that flashes by is noise. */
const PATIENCE_MS = 200;
const REDRAW_MS = 80;
/** Lines are not written more often than this. */
const LINE_MS = 2000;
const BAR_COLUMNS = 24;

interface Run {
  readonly phase: ProgressPhase;
  readonly startMs: number;
  /** What was there when it began, of a download that goes on: no part of its rate. */
  fromLoaded: number | undefined;
  event: ProgressEvent | undefined;
  shownMs: number;
  shownTenth: number;
}

export function createProgressDisplay(stream: OutputStream, options: ProgressOptions = {}): ProgressDisplay {
  const terminal = createTerminal(stream);
  const { label, hasLines = false } = options;
  let run: Run | undefined;
  let patience: NodeJS.Timeout | undefined;
  let isPatient = true;
  let isDrawn = false;
  const enter = (phase: ProgressPhase): Run => {
    if (run?.phase === phase) return run;
    const atMs = performance.now();
    return (run = { phase, startMs: atMs, fromLoaded: undefined, event: undefined, shownMs: atMs, shownTenth: 0 });
  };
  const draw = () => {
    if (run === undefined) return;
    isDrawn = true;
    run.shownMs = performance.now();
    terminal.write(`\r\u001b[2K${progressLine(run, label, terminal)}`);
  };
  const start = () => {
    patience ??= setTimeout(() => {
      isPatient = false;
      draw();
    }, PATIENCE_MS).unref();
  };
  const tell = (note: string) => {
    if (isDrawn) terminal.write('\r\u001b[2K');
    terminal.write(`ingot: ${printable(note)}\n`);
  };
  return {
    expect(phase) {
      if (!terminal.canRedraw) return;
      enter(phase);
      start();
    },
    clear() {
      clearTimeout(patience);
      [run, patience, isPatient] = [undefined, undefined, true];
      if (isDrawn) terminal.write('\r\u001b[2K');
      isDrawn = false;
    },
    onProgress(event) {
      if (event.note !== undefined) tell(event.note);
      if (!terminal.canRedraw && !hasLines) return;
      const current = enter(event.phase);
      current.event = event;
      current.fromLoaded ??= event.phase === 'download' ? event.loaded : 0;
      if (!terminal.canRedraw) return writeLine(current, event, label, terminal);
      start();
      const isSoon = isDrawn && performance.now() - current.shownMs < REDRAW_MS && event.loaded < event.total;
      if (!isPatient && !isSoon) draw();
    },
  };
}

function writeLine(run: Run, event: ProgressEvent, label: string | undefined, terminal: Terminal): void {
  const atMs = performance.now();
  const tenth = Math.floor(10 * share(event));
  if (tenth <= run.shownTenth || atMs - run.shownMs < LINE_MS) return;
  [run.shownMs, run.shownTenth] = [atMs, tenth];
  const { percent, amount, rate } = progressFigures(event, { elapsedMs: atMs - run.startMs, fromLoaded: run.fromLoaded });
  terminal.write(`ingot: ${label ?? WORDS[run.phase]} ${[percent, amount, rate].filter((part) => part !== '').join('  ')}\n`);
}

function share({ loaded, total }: ProgressEvent): number {
  return total > 0 ? Math.min(1, loaded / total) : 0;
}

/** ` 45%`, `150 MB of 336 MB`, `1.2 GB/s` */
function progressFigures(
  event: ProgressEvent,
  { elapsedMs, fromLoaded = 0 }: { readonly elapsedMs: number; readonly fromLoaded: number | undefined },
): { readonly percent: string; readonly amount: string; readonly rate: string } {
  const { phase, loaded, total } = event;
  const perSecond = elapsedMs > 0 ? (1000 * (loaded - fromLoaded)) / elapsedMs : 0;
  if (phase === 'transcribe') return soundFigures(event, elapsedMs);
  const isTokens = phase === 'prefill';
  const isItems = phase === 'compile' || phase === 'warmup';
  const amount =
    isTokens || isItems
      ? `${withThousands(loaded)} of ${withThousands(total)}${isTokens ? ' tokens' : ''}`
      : `${formatBytes(loaded)} of ${formatBytes(total)}`;
  const rate =
    elapsedMs < 200 || loaded === 0 || isItems
      ? ''
      : isTokens
        ? `${formatRate(perSecond)} tok/s`
        : `${formatBytes(Math.round(perSecond))}/s`;
  return { percent: `${Math.floor(100 * share(event))}%`.padStart(4), amount, rate: rate + timeLeft(event, perSecond) };
}

/** `, 2 min 5 s left`: of downloads, which take long enough to be waited for elsewhere. */
function timeLeft({ phase, loaded, total }: ProgressEvent, perSecond: number): string {
  const left = total - loaded;
  return phase !== 'download' || perSecond === 0 || left <= 0 || loaded === 0 ? '' : `, ${formatDuration((1000 * left) / perSecond)} left`;
}

/** ` 45%`, `27 s of 60 s`, `11.5x`: how much faster than the sound itself. */
function soundFigures(event: ProgressEvent, elapsedMs: number): ReturnType<typeof progressFigures> {
  const { loaded, total } = event;
  return {
    percent: total > 0 ? `${Math.floor(100 * share(event))}%`.padStart(4) : '',
    amount: total > 0 ? `${Math.floor(loaded)} s of ${Math.floor(total)} s` : `${Math.floor(loaded)} s`,
    rate: elapsedMs < 200 || loaded === 0 ? '' : `${((1000 * loaded) / elapsedMs).toFixed(1)}x`,
  };
}

/** The most telling form that fits: a line that wraps could not be taken back. */
function progressLine({ phase, event, startMs, fromLoaded }: Run, label: string | undefined, terminal: Terminal): string {
  const word = label ?? WORDS[phase];
  const room = terminal.columns() - 1;
  if (event === undefined) return cutToWidth(`${word} ...`, room);
  const { percent, amount, rate } = progressFigures(event, { elapsedMs: performance.now() - startMs, fromLoaded });
  const forms = [
    [word, bar(event, terminal), percent, ` ${amount}`, ` ${rate}`],
    [word, bar(event, terminal), percent, ` ${amount}`],
    [word, percent, ` ${amount}`],
    [word, percent],
  ];
  const lines = forms.map((parts) => parts.filter((part) => part.trim() !== '').join(' '));
  return lines.find((line) => widthOf(line) <= room) ?? cutToWidth(word, room);
}

function bar(event: ProgressEvent, terminal: Terminal): string {
  const filled = Math.round(BAR_COLUMNS * share(event));
  if (!terminal.hasColour) return `[${'#'.repeat(filled)}${'.'.repeat(BAR_COLUMNS - filled)}]`;
  return '\u2588'.repeat(filled) + terminal.dim('\u2591'.repeat(BAR_COLUMNS - filled));
}
