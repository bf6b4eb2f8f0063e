/** Lines of a chat that begin with a slash. */

export type ChatCommand =
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'exit' }
  | { readonly kind: 'help' | 'reset' | 'nothing' }
  | { readonly kind: 'system'; readonly text: string }
  | { readonly kind: 'think'; readonly isOn: boolean }
  | { readonly kind: 'wrong'; readonly reason: string };

export const CHAT_HELP = `/reset          forget the conversation, keep the system message
/system TEXT    start over with this system message; without TEXT: with none
/think on|off   let the model think before it answers, or not
/help           this list
/exit           leave (Ctrl-D does too)
Ctrl-C stops an answer. A line that ends with \\ goes on in the next one. Begin with a space to send a text that starts with /.
`;

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
    case 'help':
    case 'reset':
    case 'exit':
      if (argument === '') return { kind: name };
      return { kind: 'wrong', reason: `/${name} takes nothing, found ${JSON.stringify(argument)}` };
    case 'quit':
    case 'bye':
      return { kind: 'exit' };
    default:
      return { kind: 'wrong', reason: `there is no command /${name}; /help lists those there are` };
  }
}
