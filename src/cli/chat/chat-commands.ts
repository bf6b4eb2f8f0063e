/** Lines of a chat that begin with a slash. */
import { closestTo, didYouMean } from '../suggestions.ts';
import { hangText, wrapText } from '../word-wrapper.ts';

/** What stands behind a command: what Tab completes, and whether it may or has to be there. */
export type CommandArgument = 'nothing' | 'text' | 'file' | 'model' | 'setting' | 'thinking' | 'count';

interface CommandSpec {
  readonly takes: CommandArgument;
  /** It cannot do without. */
  readonly isNeeded?: true;
  /** As the help writes it. */
  readonly form: string;
  readonly about: string;
}

const COMMANDS = {
  retry: { takes: 'nothing', form: '', about: 'ask for another answer to the last message' },
  edit: { takes: 'nothing', form: '', about: 'change the last message in your editor, and ask it in its place' },
  undo: { takes: 'nothing', form: '', about: 'take the last message and its answer back' },
  reset: { takes: 'nothing', form: '', about: 'forget the conversation, keep the system message' },
  system: { takes: 'text', form: '[TEXT]', about: 'show or replace the system message; "off": none' },
  set: { takes: 'setting', form: '[NAME [VALUE]]', about: 'show or change settings: temperature, top-k, seed, max-tokens, stop, ...' },
  think: { takes: 'thinking', form: '[on|off|N]', about: 'let the model think, not, or for at most N tokens' },
  tools: { takes: 'file', form: '[FILE|off]', about: 'functions the model may call (JSON); you type their results' },
  model: { takes: 'model', form: '[MODEL]', about: 'go on with another model: a file, a URL, or an id of the hub' },
  image: { takes: 'file', isNeeded: true, form: 'FILE', about: 'show the model an image with the next message' },
  context: { takes: 'count', form: '[TOKENS]', about: 'how full the context is; with a number: another length' },
  stats: { takes: 'nothing', form: '', about: 'tokens and speed of this conversation' },
  copy: { takes: 'nothing', form: '', about: 'the last answer to the clipboard' },
  save: { takes: 'file', isNeeded: true, form: 'FILE', about: 'write the conversation to a file' },
  load: { takes: 'file', isNeeded: true, form: 'FILE', about: 'go on with the conversation of a file, in place of this one' },
  help: { takes: 'nothing', form: '', about: 'this list' },
  exit: { takes: 'nothing', form: '', about: 'leave (also /quit, /bye)' },
} as const satisfies Readonly<Record<string, CommandSpec>>;

export type CommandName = keyof typeof COMMANDS;

export const COMMAND_NAMES = Object.keys(COMMANDS) as readonly CommandName[];

const ALIASES: Readonly<Record<string, CommandName>> = { quit: 'exit', bye: 'exit' };

export type ChatCommand =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'command'; readonly name: CommandName; readonly argument: string }
  | { readonly kind: 'wrong'; readonly reason: string };

const KEYS = [
  'Enter sends. Alt-Enter or Ctrl-J begins a new line, and so does Enter after a \\ at the end of a line.',
  'A text of several lines that is pasted is one message.',
  'Ctrl-G writes the message in your editor (VISUAL, EDITOR).',
  'Up and Down go through lines and earlier messages, Tab completes commands, files, models and settings.',
  'Ctrl-C stops an answer; at the prompt it clears the text, and pressed again leaves. Ctrl-D leaves.',
  'Begin with a space to send a text that starts with /.',
].join(' ');

/** The list of commands and keys, in so many columns. */
export function chatHelp(columns: number): string {
  const rows = COMMAND_NAMES.map((name) => [`/${name} ${COMMANDS[name].form}`.trimEnd(), COMMANDS[name].about] as const);
  const width = Math.max(...rows.map(([form]) => form.length)) + 2;
  const lines = rows.map(([form, about]) => hangText(form.padEnd(width), about, columns));
  return `${lines.join('\n')}\n\n${wrapText(KEYS, columns)}\n`;
}

/** What the command that a line begins with takes; undefined where there is none. */
export function argumentOf(name: string): CommandArgument | undefined {
  const known = commandOf(name);
  return known === undefined ? undefined : COMMANDS[known].takes;
}

function commandOf(name: string): CommandName | undefined {
  return COMMAND_NAMES.find((each) => each === name) ?? (Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined);
}

export function parseChatLine(line: string): ChatCommand {
  if (line.trim() === '') return { kind: 'nothing' };
  if (!line.startsWith('/')) return { kind: 'message', text: line.trim() };
  const [, written, rest] = /^\/(\S*)\s*(.*)$/s.exec(line) as unknown as [string, string, string];
  const argument = rest.trim();
  const name = commandOf(written);
  if (name === undefined)
    return { kind: 'wrong', reason: `there is no command /${written}; /help lists those there are.${suggestionFor(written)}` };
  const spec: CommandSpec = COMMANDS[name];
  if (spec.takes === 'nothing' && argument !== '')
    return { kind: 'wrong', reason: `/${name} takes nothing, found ${JSON.stringify(argument)}` };
  if (spec.isNeeded === true && argument === '') return { kind: 'wrong', reason: `/${name} takes the name of a file` };
  return { kind: 'command', name, argument };
}

function suggestionFor(name: string): string {
  const names = [...COMMAND_NAMES, ...Object.keys(ALIASES)];
  return closestTo(name, names) === undefined ? '' : didYouMean(name, names).replace('"', '"/');
}
