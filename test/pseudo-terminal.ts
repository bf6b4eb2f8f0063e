/** A program on a pseudo-terminal (util-linux `script`), its screen drawn by xterm's own parser. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import xterm from '@xterm/headless';

export const hasPseudoTerminal = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0;

export interface PseudoTerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Shell words after the command: `2>file`, `< file`. */
  readonly redirect?: string;
}

export interface PseudoTerminal {
  readonly child: ChildProcessWithoutNullStreams;
  /** Everything that the program has written, escape sequences included. */
  raw(): string;
  /** The lines of the screen and of what scrolled off it, without spaces at their ends. */
  screen(): Promise<readonly string[]>;
  write(text: string): void;
  /** Waits for the raw output since the last `until` to match. */
  until(pattern: RegExp): Promise<void>;
  readonly ended: Promise<number | null>;
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
const WAIT_MS = 50_000;

export function onTerminal(
  command: readonly string[],
  { columns = 80, rows = 24, env = {}, redirect = '' }: PseudoTerminalOptions = {},
): PseudoTerminal {
  const line =
    `stty cols ${columns} rows ${rows}; ${command.map(quoted).join(' ')} ${redirect}; code=$?; ` +
    'stty -a | grep -qw -- -icanon && echo LEFT-RAW; exit $code';
  const child = spawn('script', ['-qefc', line, '/dev/null'], {
    env: { ...process.env, NO_COLOR: '', FORCE_COLOR: '', TERM: 'xterm', SHELL: '/bin/sh', ...env },
  });
  const terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 5000 });
  let raw = '';
  let seen = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    raw += text;
    terminal.write(text);
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return {
    child,
    raw: () => raw,
    async screen() {
      await new Promise<void>((resolve) => terminal.write('', resolve));
      const { active } = terminal.buffer;
      const lines = Array.from({ length: active.length }, (_, i) => active.getLine(i)!.translateToString().trimEnd());
      while (lines.at(-1) === '') lines.pop();
      return lines;
    },
    write: (text) => void child.stdin.write(text),
    async until(pattern) {
      const endMs = performance.now() + WAIT_MS;
      const match = () => pattern.exec(raw.slice(seen));
      while (match() === null) {
        if (child.exitCode !== null || performance.now() > endMs)
          throw new Error(`never saw ${String(pattern)} in ${JSON.stringify(raw.slice(seen))}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      const found = match()!;
      seen += found.index + found[0].length;
    },
    ended,
  };
}
