/** What an output stream can show: colour, width, cursor movement. */

export interface OutputStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface Terminal {
  readonly isTty: boolean;
  /** A line can be written over: false for pipes and for dumb terminals. */
  readonly canRedraw: boolean;
  readonly hasColour: boolean;
  /** Columns; 80 where unknown. */
  columns(): number;
  write(text: string): void;
  dim(text: string): string;
  bold(text: string): string;
  red(text: string): string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Colour on a terminal, unless NO_COLOR or a dumb terminal says otherwise; FORCE_COLOR wins over both. */
export function createTerminal(stream: OutputStream, env: Environment = process.env): Terminal {
  const isTty = stream.isTTY === true;
  const forced = env['FORCE_COLOR'];
  const isDumb = env['TERM'] === 'dumb';
  const refused = (env['NO_COLOR'] ?? '') !== '' || isDumb;
  const hasColour = forced === undefined || forced === '' ? isTty && !refused : forced !== '0' && forced !== 'false';
  const styled = (open: number, close: number) => (text: string) =>
    hasColour && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    isTty,
    canRedraw: isTty && !isDumb,
    hasColour,
    columns: () => stream.columns || 80,
    write: (text) => void stream.write(text),
    dim: styled(2, 22),
    bold: styled(1, 22),
    red: styled(31, 39),
  };
}

/** Text from a file or a model, with control characters (which could move the cursor or recolour a terminal) made visible. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (unit) => {
    const known: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
    return known[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Text to be shown as it is, less what would move the cursor or recolour the terminal. */
export function withoutControls(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}
