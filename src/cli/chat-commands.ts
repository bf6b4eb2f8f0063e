/** Lines of a chat that begin with a slash. */
import { closestTo, didYouMean } from './suggestions.ts';

export type ChatCommand =
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'exit' }
  | { readonly kind: 'help' | 'reset' | 'nothing' }
  | { readonly kind: 'system'; readonly text: string }
  | { readonly kind: 'think'; readonly isOn: boolean }
  | { readonly kind: 'save' | 'load'; readonly file: string }
  | { readonly kind: 'wrong'; readonly reason: string };

const NAMES = ['reset', 'system', 'think', 'save', 'load', 'help', 'exit', 'quit', 'bye'];
/** Those that something follows. */
const WITH_ARGUMENT = ['system', 'think', 'save', 'load'];

export const CHAT_HELP = `/reset          forget the conversation, keep the system message
/system TEXT    start over with this system message; without TEXT: with none
/think on|off   let the model think before it answers, or not
/save FILE      write the conversation to a file
/load FILE      go on with the conversation of a file, in place of this one
/help           this list
/exit           leave

Enter sends. Alt-Enter or Ctrl-J begins a new line, and so does Enter after a \\ at
the end of a line. A text of several lines that is pasted is one message.
Up and Down go through lines and earlier messages, Tab completes commands.
Ctrl-C stops an answer; at the prompt it clears the text, and pressed again leaves.
Ctrl-D leaves. Begin with a space to send a text that starts with /.
`;

/** The one command that a text begins, for Tab. */
export function completeCommand(text: string): string | undefined {
  const name = /^\/(\w*)$/.exec(text)?.[1];
  const found = name === undefined ? [] : NAMES.filter((candidate) => candidate.startsWith(name));
  const [only] = found;
  return only !== undefined && found.length === 1 ? `/${only}${WITH_ARGUMENT.includes(only) ? ' ' : ''}` : undefined;
}

export function parseChatLine(line: string): ChatCommand {
  if (line.trim() === '') return { kind: 'nothing' };
  if (!line.startsWith('/')) return { kind: 'message', text: line.trim() };
  const [, name, rest] = /^\/(\S*)\s*(.*)$/s.exec(line) as unknown as [string, string, string];
  const argument = rest.trim();
  switch (name) {
    case 'system':
      return { kind: 'system', text: argument };
    case 'think':
      if (argument === 'on' || argument === 'off') return { kind: 'think', isOn: argument === 'on' };
      return { kind: 'wrong', reason: `/think takes on or off, found ${JSON.stringify(argument)}` };
    case 'save':
    case 'load':
      if (argument !== '') return { kind: name, file: argument };
      return { kind: 'wrong', reason: `/${name} takes the name of a file` };
    case 'help':
    case 'reset':
    case 'exit':
      if (argument === '') return { kind: name };
      return { kind: 'wrong', reason: `/${name} takes nothing, found ${JSON.stringify(argument)}` };
    case 'quit':
    case 'bye':
      return { kind: 'exit' };
    default:
      return { kind: 'wrong', reason: `there is no command /${name}; /help lists those there are.${suggestionFor(name)}` };
  }
}

function suggestionFor(name: string): string {
  return closestTo(name, NAMES) === undefined ? '' : didYouMean(name, NAMES).replace('"', '"/');
}
