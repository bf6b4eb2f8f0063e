// What `npm test` does with its lanes, whatever they are: chooses, runs one after the other, says where it is, and judges the counts.
import { parseArgs } from 'node:util';
import { failure, noResult, sumOf } from './test-lane.mjs';

/**
 * `quick` lanes are the default set. An `always` lane (the build) makes what others run, so it goes before any named lane.
 * @typedef {{ name: string, does: string, quick: boolean, always?: boolean,
 *   run: (context: import('./test-lane.mjs').LaneContext) => Promise<import('./test-lane.mjs').LaneResult> }} Lane
 */

const signalCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/**
 * Runs what `argv` asks for and returns the exit code: 0 all passed, 1 something failed, 2 wrong usage, 128 and more interrupted.
 * @param {{ lanes: Lane[], argv: string[], env: NodeJS.ProcessEnv, install?: (lanes: Lane[], options: { all: boolean }) => void }} run
 *   `install` fetches what the lanes need, before the first
 */
export async function runTests({ lanes, argv, env, install }) {
  let asked;
  try {
    asked = parseArguments(argv, { lanes, env });
  } catch (error) {
    process.stderr.write(`npm test: ${error.message}\n${help(lanes)}`);
    return 2;
  }
  if (asked.help) {
    process.stdout.write(help(lanes));
    return 0;
  }
  const inCi = Boolean(env.CI) && env.CI !== 'false';
  const { all, chosen } = asked;
  install?.(chosen, { all });
  const { rows, stoppedBy } = await runLanes(chosen, { all, inCi });
  if (inCi) forbidSkips(rows);
  process.stdout.write(table(rows));
  if (stoppedBy) {
    const notRun = chosen.slice(rows.length).map(({ name }) => name);
    process.stdout.write(`\nstopped by ${stoppedBy}; not run: ${notRun.join(', ') || 'the rest of the last lane'}\n`);
  }
  if (!all) process.stdout.write(whatAllAdds({ lanes, asked }));
  const { passed, failed, skipped } = sumOf(rows);
  process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  if (stoppedBy) return signalCodes[stoppedBy];
  return failed > 0 ? 1 : 0;
}

function help(lanes) {
  const width = Math.max(...lanes.map(({ name }) => name.length));
  const line = ({ name, does, quick }) => `  ${name.padEnd(width)}  ${does}${quick ? '' : ' (only with --all, or by name)'}\n`;
  return `
npm test                the quick set: every kind of check, without the slow tests
npm test -- --all       every lane, with the slow tests
npm test -- LANE...     these lanes, or those whose names begin so; with --all also their slow tests

${lanes.map(line).join('')}`;
}

/** A lane is named whole, or by how its name begins up to a hyphen: `kernels` for `kernels-node22`. */
const isNamed = (lane, asked) => lane.name === asked || lane.name.startsWith(`${asked}-`);

function parseArguments(argv, { lanes, env }) {
  const options = { all: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } };
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  // `npm test --all`, without the `--` that hands the rest on, arrives as a setting of npm's.
  const all = values.all || env.npm_config_all === 'true';
  const unknown = positionals.filter((asked) => !lanes.some((lane) => isNamed(lane, asked)));
  if (unknown.length > 0) throw new Error(`no lane named ${unknown.join(', ')}`);
  const isChosen = (lane) => (positionals.length === 0 ? all || lane.quick : positionals.some((asked) => isNamed(lane, asked)));
  return { help: values.help, all, named: positionals.length > 0, chosen: lanes.filter((lane) => lane.always || isChosen(lane)) };
}

async function runLanes(chosen, { all, inCi }) {
  const stop = new AbortController();
  const onSignal = (name) => stop.abort(name);
  for (const name of Object.keys(signalCodes)) process.on(name, onSignal);
  const rows = [];
  try {
    for (const [i, lane] of chosen.entries()) {
      if (stop.signal.aborted) break;
      process.stdout.write(`\n== [${i + 1}/${chosen.length}] ${lane.name}: ${lane.does} ==\n`);
      const startMs = performance.now();
      const result = await runLane(lane, { all, inCi, signal: stop.signal });
      const seconds = (performance.now() - startMs) / 1000;
      rows.push({ name: lane.name, ...(stop.signal.aborted ? { ...noResult(), notes: ['interrupted'] } : result), seconds });
    }
  } finally {
    for (const name of Object.keys(signalCodes)) process.off(name, onSignal);
  }
  return { rows, stoppedBy: stop.signal.reason };
}

/** A lane that throws has failed. */
async function runLane({ run }, context) {
  try {
    return await run(context);
  } catch (error) {
    return failure(error.message);
  }
}

/** A machine may lack ../shared or a platform's build; CI lacks neither, so there such a skip is a test that nobody ran. */
function forbidSkips(rows) {
  for (const row of rows) {
    if (row.unexcused === 0) continue;
    row.failed += 1;
    row.notes.push(`CI has what ${row.unexcused} of the skipped tests need (../shared, the peers), so they must run there`);
  }
}

function table(rows) {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map(({ name, passed, failed, skipped, seconds }) => {
    const cells = [String(passed).padStart(6), String(failed).padStart(6), String(skipped).padStart(7), seconds.toFixed(1).padStart(7)];
    return `${name.padEnd(width)}  ${cells.join('  ')}\n`;
  });
  const notes = rows.flatMap((row) => row.notes.map((note) => `${row.name}: ${note}\n`));
  return `\n${'lane'.padEnd(width)}  passed  failed  skipped  seconds\n${lines.join('')}${notes.join('')}`;
}

function whatAllAdds({ lanes, asked }) {
  const left = asked.named ? [] : lanes.filter((lane) => !asked.chosen.includes(lane)).map(({ name }) => name);
  return `\nnpm test -- --all also runs the slow tests${left.length > 0 ? ` and the lanes ${left.join(', ')}` : ''}\n`;
}
