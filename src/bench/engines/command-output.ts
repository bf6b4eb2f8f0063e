/** What other programs print of their speed. Each function says where its form was read. */

/** Tokens a second. */
export interface PrintedFigures {
  readonly promptPerSecond: number;
  readonly answerPerSecond: number;
  readonly version?: string | undefined;
}

function figure(text: string | undefined, what: string, output: string): number {
  const value = Number(text);
  if (text === undefined || !Number.isFinite(value) || value <= 0)
    throw new Error(`it printed no ${what}; its last words: ${output.trim().slice(-200)}`);
  return value;
}

/** `mlx_lm.benchmark`, mlx-lm's mlx_lm/benchmark.py (github.com/ml-explore/mlx-lm at 1e13597): `Trial 1:  prompt_tps=1.000, ...`. */
export function mlxFigures(output: string): PrintedFigures {
  const trial = /^Trial \d+:.*$/m.exec(output)?.[0] ?? '';
  return {
    promptPerSecond: figure(/prompt_tps=([\d.]+)/.exec(trial)?.[1], 'prompt_tps', output),
    answerPerSecond: figure(/generation_tps=([\d.]+)/.exec(trial)?.[1], 'generation_tps', output),
  };
}

/**
 * `basert bench`: rows `| model | size MiB | ppN | 123.45 ± 6.78 |` and the same of `tgN`, as its own scripts read them
 * (github.com/basecompute/baseRT at 0644388, benchmarks/scripts/full_benchmark.sh).
 */
export function basertFigures(output: string): PrintedFigures {
  const cells = output.split('\n').filter((line) => /\|.* MiB \|/.test(line)).map((line) => line.split('|').map((cell) => cell.trim()));
  const rateOf = (test: RegExp) => /^[\d.]+/.exec(cells.find((row) => test.test(row[3] ?? ''))?.[4] ?? '')?.[0];
  return {
    promptPerSecond: figure(rateOf(/^pp\d+/), 'row of pp', output), answerPerSecond: figure(rateOf(/^tg\d+/), 'row of tg', output),
  };
}

/** What `uzu bench` writes: a list of results (github.com/trymirai/uzu at 0ae53fd, crates/benchmarks/src/runner/types/result.rs). */
export function uzuFigures(json: string): PrintedFigures {
  const [result] = JSON.parse(json) as Record<string, unknown>[];
  const of = (name: string) => figure(result?.[name] === undefined ? undefined : String(result[name]), name, json);
  return {
    promptPerSecond: of('prompt_tokens_per_second'), answerPerSecond: of('generate_tokens_per_second'),
    version: result?.['engine_version'] === undefined ? undefined : String(result['engine_version']),
  };
}
