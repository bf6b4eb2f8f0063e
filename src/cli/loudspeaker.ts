/** A loudspeaker by a program that the system has: PipeWire's, PulseAudio's and ALSA's players, SoX, or ffplay. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { CapacityError } from '../tensor/errors.ts';

/** Where sound goes, in the order in which it is made. */
export interface SoundSink {
  write(bytes: Uint8Array): Promise<void>;
  /** @param dataBytes all that was written */
  end(dataBytes: number): Promise<void>;
}

export interface Player {
  readonly program: string;
  /** Takes 16-bit samples of one channel from stdin. */
  readonly args: readonly string[];
}

/** Of what a program holds back where speech may be stopped at any time: 60 ms. */
const LIVE_MS = 60;

function players(rate: string, isLive: boolean): readonly Player[] {
  const live = (...args: string[]): string[] => (isLive ? args : []);
  const pulse = ['--raw', `--rate=${rate}`, '--channels=1', '--format=s16le', ...live(`--latency-msec=${LIVE_MS}`)];
  const alsa = ['-q', '-t', 'raw', '-f', 'S16_LE', '-c', '1', '-r', rate, ...live('-B', String(1000 * LIVE_MS)), '-'];
  const pipewire = ['--playback', '--rate', rate, '--channels', '1', '--format', 's16', ...live('--latency', `${LIVE_MS}ms`), '-'];
  return [
    { program: 'pw-cat', args: pipewire },
    { program: 'paplay', args: pulse },
    { program: 'aplay', args: alsa },
    { program: 'play', args: [...live('--buffer', '1024'), '-q', '-t', 'raw', '-e', 'signed', '-b', '16', '-c', '1', '-r', rate, '-'] },
    { program: 'ffplay', args: ['-loglevel', 'error', '-nodisp', '-autoexit', '-f', 's16le', '-ar', rate, '-i', '-'] },
  ];
}

/** @throws CapacityError where the system has none of the programs */
export function findPlayer(sampleRate: number, { isLive }: { readonly isLive: boolean }): Player {
  const all = players(String(sampleRate), isLive);
  const player = all.find(({ program }) => spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined);
  if (player !== undefined) return player;
  const names = all.map(({ program }) => program).join(', ');
  const instead = isLive ? 'give sounds and texts, and write a file (--in question.wav --out answer.wav)' : 'write a file (-o speech.wav)';
  throw new CapacityError(`No program that plays was found (${names}): install one, or ${instead}.`);
}

/** @throws CapacityError where the system has none of the programs; its sink, where the program ends early */
export function openLoudspeaker(sampleRate: number): SoundSink {
  const player = findPlayer(sampleRate, { isLive: false });
  const child = spawn(player.program, player.args, { stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = once(child, 'close') as Promise<[number | null]>;
  ended.catch(() => {});
  child.stdin.on('error', () => {});
  const failed = () =>
    new CapacityError(`${player.program} ended before the speech did: is there a loudspeaker? Write a file (-o speech.wav).`);
  return {
    async write(bytes) {
      if (child.exitCode !== null || child.stdin.destroyed) throw failed();
      if (!child.stdin.write(bytes)) await Promise.race([once(child.stdin, 'drain'), ended]);
    },
    async end() {
      child.stdin.end();
      const [code] = await ended;
      if (code !== 0) throw failed();
    },
  };
}
