/** What a conversation shows: who says what, on stdout; what goes on, on a line of the terminal. */
import type { TalkSessionEvent } from '../engine/talk/live/talker.ts';
import { createStatusLine } from './status-line.ts';
import { createTerminal, printable } from './terminal.ts';

export interface TalkPrinter {
  print(event: TalkSessionEvent): void;
  /** Clears what is drawn. */
  end(): void;
}

export interface TalkPrinterOptions {
  /** Says what is heard too: while somebody speaks, and as a line when they are done. */
  readonly isLive: boolean;
}

export function createTalkPrinter({ isLive }: TalkPrinterOptions): TalkPrinter {
  const terminal = createTerminal(process.stderr);
  const status = createStatusLine(terminal);
  const show = (text: string): void => {
    if (isLive && terminal.canRedraw) status.show(text);
  };
  const tell = (text: string): void => void process.stderr.write(`ingot: ${printable(text)}\n`);
  let hasText = false;
  const print = (event: TalkSessionEvent): void => {
    if (event.kind === 'speech-started') show('hearing ...');
    else if (event.kind === 'hushed') show('was that speech?');
    else if (event.kind === 'speech-stopped') show('understanding ...');
    else if (event.kind === 'answer-started') show('answering ...');
    else if (event.kind === 'input-text' && !event.isFinal) show(event.text);
    else {
      status.clear();
      printLine(event);
    }
  };
  const printLine = (event: TalkSessionEvent): void => {
    if (event.kind === 'input-text') {
      if (isLive && event.text !== '') process.stdout.write(`> ${printable(event.text)}\n`);
      else if (event.text !== '') tell(`heard: ${event.text}`);
    } else if (event.kind === 'answer-text') {
      hasText = true;
      process.stdout.write(printable(event.text));
    } else if (event.kind === 'answer-done') {
      if (hasText) process.stdout.write('\n');
      hasText = false;
      const { usage: { heardMs, textTokens, spokenMs } } = event;
      const heard = heardMs === 0 ? '' : `heard ${(heardMs / 1000).toFixed(1)} s, `;
      const ends = { completed: '', incomplete: ', cut at the length that was asked for', cancelled: `, ${event.reason}`, failed: '' };
      if (event.status === 'failed') tell(`the answer failed: ${messageOf(event.error)}`);
      else tell(`${heard}said ${textTokens} tokens and ${(spokenMs / 1000).toFixed(1)} s${ends[event.status]}`);
    } else if (event.kind === 'input-failed') tell(`what was said was not understood: ${messageOf(event.error)}`);
    else if (event.kind === 'truncated') tell(`was heard to: ${event.text === '' ? 'nothing' : event.text}`);
    else if (event.kind === 'answer-played' || event.kind === 'unhushed') show('listening');
  };
  return { print, end: () => status.clear() };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
