/** Where to run a model, and how many conversations: rules with the numbers behind each word. */
import { formatBytes } from '../../tensor/format-bytes.ts';

export interface Situation {
  /** All memory of the machine; undefined where it is a GPU's own. */
  readonly memoryBytes: number | undefined;
  /** What models may take of it. */
  readonly budgetBytes: number | undefined;
  /** Weights, one conversation of the wanted context, and the runtime. */
  readonly totalBytes: number;
  /** Of the wanted context at a time; undefined where nobody knows the memory. */
  readonly streams: number | undefined;
  readonly contextLength: number;
  readonly tokensPerSecond: number;
  /** Whether the device computes in the machine's own memory, beside all else. */
  readonly isShared: boolean;
  /** What the person says of their use; undefined: nothing. */
  readonly usage: Usage;
}

export interface Usage {
  /** Hours a week of heavy inference. */
  readonly hours?: number | undefined;
  /** People or services that would ask it. */
  readonly people?: number | undefined;
  /** How often a week memory ran short, so that other work broke. */
  readonly pressure?: number | undefined;
  /** Whether it has to answer at any hour. */
  readonly alwaysOn?: boolean | undefined;
  /** Whether engines are to be compared over hours. */
  readonly comparing?: boolean | undefined;
}

export interface Advice {
  readonly advice: string;
  readonly because: string;
}

export const LIMITS = { hours: 20, pressure: 3, keptBytes: 8e9, readingTokensPerSecond: 10 } as const;

/** As many as run at a time by default (`maxConcurrent`). */
const MOST_STREAMS = 64;

/** What to do first comes first. */
export function advise(situation: Situation): readonly Advice[] {
  return [...placeAdvice(situation.usage), ...streamAdvice(situation), ...speedAdvice(situation)];
}

/** When the work belongs on another machine. */
export function placeAdvice({ hours, people, pressure, alwaysOn, comparing }: Usage): readonly Advice[] {
  const found: Advice[] = [];
  const move = (because: string) => found.push({ advice: 'Run it on a machine of its own ("ingot serve" there).', because });
  if (pressure !== undefined && pressure >= LIMITS.pressure)
    move(`memory ran short ${pressure} times a week, and ${LIMITS.pressure} times cost more work than a second machine does`);
  if (hours !== undefined && hours > LIMITS.hours)
    move(`${hours} hours a week of heavy inference are more than ${LIMITS.hours}: heat and memory are then felt in every other program`);
  if (alwaysOn === true) move('it has to answer at any hour, and a laptop sleeps, moves and updates');
  if (people !== undefined && people > 1)
    found.push({
      advice: 'Share one endpoint with keys, quotas and an audit log ("ingot serve", "ingot keys").',
      because: `${people} people or services ask it: with one place the version, the model and the port are the same for all`,
    });
  if (comparing === true)
    move('long comparisons of engines want a machine that does nothing else, or the figures are of the other programs');
  return found;
}

function streamAdvice({ memoryBytes, budgetBytes = 0, totalBytes, streams, contextLength, isShared }: Situation): readonly Advice[] {
  if (!isShared || memoryBytes === undefined || streams === undefined) return [];
  const left = memoryBytes - totalBytes;
  const words = `${formatBytes(totalBytes)} of ${formatBytes(memoryBytes)} go to it, ${formatBytes(Math.max(0, left))} stay`;
  if (streams === 0)
    return [
      {
        advice: 'Take a smaller quantisation, a shorter context, or a smaller model.',
        because: `it takes ${formatBytes(totalBytes)}, and models may take ${formatBytes(budgetBytes)}`,
      },
    ];
  if (left < 2 * LIMITS.keptBytes)
    return [
      {
        advice: 'One or two conversations at a time (--max-concurrent 2) where an IDE, long contexts or media programs run beside it.',
        because: `${words}, of which they take ${formatBytes(LIMITS.keptBytes)} and more`,
      },
    ];
  return [{ advice: `Up to ${Math.min(streams, MOST_STREAMS)} conversations of ${contextLength} tokens at a time.`, because: words }];
}

function speedAdvice({ tokensPerSecond }: Situation): readonly Advice[] {
  if (tokensPerSecond >= LIMITS.readingTokensPerSecond) return [];
  return [
    {
      advice: 'Take a smaller model, or one with fewer active experts, for work that is read as it comes.',
      because: `about ${tokensPerSecond.toFixed(1)} tokens a second are expected, and people read ${LIMITS.readingTokensPerSecond}`,
    },
  ];
}
