/** Text to the clipboard: by the system's program where there is one on this machine, else by the terminal itself (OSC 52). */
import { spawnSync } from 'node:child_process';
import type { Terminal } from '../terminal.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Programs in the order in which they are tried. Behind SSH they would fill the clipboard of the wrong machine. */
export function clipboardPrograms(platform: NodeJS.Platform, environment: Environment): readonly (readonly string[])[] {
  if (environment['SSH_CONNECTION'] || environment['SSH_TTY']) return [];
  if (platform === 'darwin') return [['pbcopy']];
  if (platform === 'win32') return [['clip.exe']];
  return [
    ...(environment['WAYLAND_DISPLAY'] ? [['wl-copy']] : []),
    ...(environment['DISPLAY'] ? [['xclip', '-selection', 'clipboard'], ['xsel', '--clipboard', '--input']] : []),
  ];
}

/** Terminals take no more than this (in base64, xterm's own limit). */
const MOST_OSC_BYTES = 74_994;

/** @returns what to say */
export function copyText(text: string, terminal: Terminal, environment: Environment = process.env): string {
  for (const [program, ...args] of clipboardPrograms(process.platform, environment)) {
    // What it prints is not for the conversation; some programs stay to serve the clipboard, without stdout.
    const { status } = spawnSync(program!, args, { input: text, stdio: ['pipe', 'ignore', 'ignore'], timeout: 3000 });
    if (status === 0) return `copied by ${program}`;
  }
  const bytes = Buffer.from(text);
  if (!terminal.canRedraw) return 'there is no clipboard program here, and this terminal is none that has a clipboard';
  if (bytes.length > MOST_OSC_BYTES) return `the answer has ${bytes.length} bytes, and terminals copy ${MOST_OSC_BYTES} at most: /save it`;
  terminal.write(`\u001b]52;c;${bytes.toString('base64')}\u0007`);
  return 'copied by the terminal (where it allows that: OSC 52)';
}
