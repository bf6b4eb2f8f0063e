/** Programs that measure themselves and print what they found: mlx-lm's benchmark, uzu, BaseRT. One process for each figure. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Engine, EngineSettings, Entry } from '../engine.ts';
import { basertFigures, mlxFigures, uzuFigures } from './command-output.ts';
import type { PrintedFigures } from './command-output.ts';
import { programBuild, programPath } from './installed-program.ts';

const execute = promisify(execFile);
const MOST_OUTPUT_BYTES = 1 << 24;

interface Measured {
  readonly prompt: number;
  readonly answer: number;
}

interface CommandEngine {
  readonly name: string;
  /** Where `program` is not given. */
  readonly program: string;
  /** Of what kind of weights `modelName` is. */
  readonly weights: string;
  readonly flags: Readonly<Record<string, string | number | boolean>>;
  version(program: string, figures: PrintedFigures): Promise<string>;
  measure(settings: EngineSettings, program: string, measured: Measured): Promise<PrintedFigures>;
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await execute(program, args, { maxBuffer: MOST_OUTPUT_BYTES });
  return `${stdout}\n${stderr}`;
}

const nameOf = ({ modelName, modelPath }: Entry) => modelName ?? modelPath;

/** Of a package that a script of Python's belongs to, by the interpreter that the script names. */
async function pythonVersion(program: string, module: string): Promise<string> {
  const python = /^#!\s*(\S+)/.exec(readFileSync(realpathSync(program), 'latin1').slice(0, 300))?.[1];
  if (python === undefined || !existsSync(python)) return 'unknown';
  return (await run(python, ['-c', `import ${module}; print(${module}.__version__)`]).catch(() => 'unknown')).trim().split('\n').at(-1)!;
}

const mlx: CommandEngine = {
  name: 'mlx-lm',
  program: 'mlx_lm.benchmark',
  weights: 'a folder or a name of MLX weights',
  flags: { trials: 1, kv: 'as the program has it' },
  version: (program) => pythonVersion(program, 'mlx_lm'),
  measure: async (settings, program, { prompt, answer }) =>
    mlxFigures(await run(program, ['--model', nameOf(settings), '-p', String(prompt), '-g', String(answer), '-n', '1'])),
};

const basert: CommandEngine = {
  name: 'basert',
  program: 'basert',
  weights: 'a .base or GGUF file, or a name',
  flags: { repetitions: 1, warmups: 1 },
  version: async (program) => (await run(program, ['--version']).catch(() => 'unknown')).trim().split('\n')[0]!,
  measure: async (settings, program, { prompt, answer }) =>
    basertFigures(await run(program, ['bench', nameOf(settings), '-p', String(prompt), '-n', String(answer), '-r', '1', '-w', '1'])),
};

/** Its tasks are messages: a word for each token, and its template's own tokens come on top. */
const uzu: CommandEngine = {
  name: 'uzu',
  program: 'uzu',
  weights: 'a folder of its own format (lalamo)',
  flags: { prompts: 'words', greedy: true },
  version: async (_, { version }) => version ?? 'unknown',
  async measure(settings, program, { prompt, answer }) {
    const folder = await mkdtemp(join(tmpdir(), 'ingot-bench-'));
    const [task, output] = [join(folder, 'task.json'), join(folder, 'results.json')];
    try {
      const content = Array.from({ length: prompt }, (_, i) => ['time', 'year', 'people', 'way', 'day'][(7 * i) % 5]).join(' ');
      const messages = [{ role: 'user', content, reasoning_content: null }];
      await writeFile(task, JSON.stringify({
        identifier: 'ingot-bench', repo_id: nameOf(settings), number_of_runs: 1, tokens_limit: answer, messages, greedy: true,
      }));
      await run(program, ['bench', nameOf(settings), task, output]);
      return uzuFigures(await readFile(output, 'utf8'));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** Tokens of the shortest answer that a program measures a prompt with. */
const SHORT_ANSWER = 2;

function engineOf(command: CommandEngine): Engine {
  const { name, weights, flags } = command;
  return {
    name,
    workloads: ['prefill', 'decode'],
    batchSizes: [],
    problem({ program = command.program, modelName }) {
      if (programPath(program) === undefined) return `there is no program ${program} (give its "program" in a plan of "ingot bench run")`;
      return modelName === undefined && name !== 'basert' ? `say where ${weights} is: "as" of the model, by the engine's title` : undefined;
    },
    build: ({ program = command.program }) => programBuild(program),
    async open(settings) {
      const program = programPath(settings.program ?? command.program) as string;
      const measure = (measured: Measured) => command.measure(settings, program, measured);
      // What it is only a run tells.
      const version = await command.version(program, await measure({ prompt: 16, answer: SHORT_ANSWER }));
      return {
        facts: { version, device: 'as the program chooses', flags },
        prefill: async (ids) => (await measure({ prompt: ids.length, answer: SHORT_ANSWER })).promptPerSecond,
        decode: async (ids, count) => (await measure({ prompt: ids.length, answer: count })).answerPerSecond,
        close: async () => {},
      };
    },
  };
}

export const commandEngines: readonly Engine[] = [mlx, uzu, basert].map(engineOf);
