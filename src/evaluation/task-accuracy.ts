/** Task accuracy: a model answers conversations greedily and its answers are checked, skill by skill. */
import type { Model } from '../engine/api.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { FormatError } from '../tensor/errors.ts';
import { sideBySide } from '../files/side-by-side.ts';
import { answerTask } from './answer-task.ts';
import type { EvaluationTask } from './evaluation-file.ts';
import { passesCheck } from './task-check.ts';
import { isJsonObject } from '../tensor/json.ts';

export interface TaskOptions {
  /** Most tokens of an answer. Default 512. */
  readonly maxTokens?: number | undefined;
  /** Tasks that are answered at once, each in a conversation of its own. Default 1. */
  readonly streams?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** In the order in which answers end. */
  readonly onResult?: ((result: TaskResult, done: number, total: number) => void) | undefined;
}

export interface TaskResult {
  readonly id: string;
  readonly skill: string;
  /** Generated text without the end token. */
  readonly answer: string;
  readonly passed: boolean;
}

export interface SkillScore {
  readonly skill: string;
  readonly cases: number;
  readonly passed: number;
}

export interface TaskReport {
  readonly cases: number;
  readonly passed: number;
  readonly skills: readonly SkillScore[];
  readonly results: readonly TaskResult[];
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Of one answer while others are made beside it, over all answers. */
  readonly decodeTokensPerSecond: number;
}

const DEFAULT_MAX_TOKENS = 512;

/** Answers every task at temperature 0; an answer that the context or `maxTokens` cuts off is checked as it is. */
export async function answerTasks(model: Model, tasks: readonly EvaluationTask[], options: TaskOptions = {}): Promise<TaskReport> {
  const { signal, onResult, maxTokens = DEFAULT_MAX_TOKENS, streams = 1 } = options;
  const results: TaskResult[] = [];
  const totals = { promptTokens: 0, completionTokens: 0, steps: 0, decodeMs: 0 };
  const left = tasks.entries();
  let done = 0;
  await sideBySide(Math.min(streams, tasks.length), signal, async (stop) => {
    for (const [index, task] of left) {
      const { id, skill, check } = task;
      const answer = await answerTask(model, task, { maxTokens, signal: stop });
      const { usage, timings } = answer;
      totals.promptTokens += usage.promptTokens;
      totals.completionTokens += usage.completionTokens;
      totals.steps += Math.max(0, usage.completionTokens - 1);
      totals.decodeMs += timings.decodeMs;
      const result = { id, skill, answer: answer.text, passed: passesCheck(answer, check) };
      results[index] = result;
      onResult?.(result, ++done, tasks.length);
    }
  });
  const { promptTokens, completionTokens, steps, decodeMs } = totals;
  const decodeTokensPerSecond = decodeMs > 0 ? (1000 * steps) / decodeMs : 0;
  return {
    cases: results.length,
    passed: countPassed(results),
    skills: skillScores(results),
    results,
    promptTokens,
    completionTokens,
    decodeTokensPerSecond,
  };
}

function countPassed(results: readonly { readonly passed: boolean }[]): number {
  return results.filter(({ passed }) => passed).length;
}

/** By skill, in the order of their first case. */
export function skillScores(results: readonly Pick<TaskResult, 'skill' | 'passed'>[]): SkillScore[] {
  const skills = new Map<string, { cases: number; passed: number }>();
  for (const { skill, passed } of results) {
    const score = skills.get(skill) ?? { cases: 0, passed: 0 };
    score.cases++;
    if (passed) score.passed++;
    skills.set(skill, score);
  }
  return [...skills].map(([skill, score]) => ({ skill, ...score }));
}

/** At most `limit` of the items, spread evenly, so that a file sorted by skill gives some of each. */
export function spread<Item>(items: readonly Item[], limit: number): readonly Item[] {
  if (limit >= items.length) return items;
  return Array.from({ length: limit }, (_, i) => items[Math.floor((i * items.length) / limit)]!);
}

/** What another implementation answered, by task id. */
export type TaskReference = ReadonlyMap<string, Pick<TaskResult, 'answer' | 'passed'>>;

/** Reads `{ cases: [{ id, answer, pass }] }`. @throws FormatError for anything else */
export function parseTaskReference(text: string, name: string): TaskReference {
  const { cases } = parseJsonObject(text, name);
  if (!Array.isArray(cases)) throw new FormatError(`${name}: expected a list "cases" with the reference's answers.`);
  return new Map(
    cases.map((entry, index) => {
      const { id, answer, pass } = isJsonObject(entry) ? entry : {};
      if (typeof id === 'string' && typeof answer === 'string' && typeof pass === 'boolean') return [id, { answer, passed: pass }];
      throw new FormatError(`${name}: expected "id", "answer" and "pass" in cases[${index}].`);
    }),
  );
}

export interface TaskComparison {
  /** Of the same tasks. */
  readonly passed: number;
  readonly skills: readonly SkillScore[];
  /** Answers with the very same text. */
  readonly sameText: number;
  /** Ids of tasks that only the reference passed, and that only this model passed. */
  readonly lost: readonly string[];
  readonly gained: readonly string[];
}

/** @throws FormatError where the reference lacks one of the tasks */
export function compareTasks(report: TaskReport, reference: TaskReference): TaskComparison {
  const pairs = report.results.map((result) => {
    const expected = reference.get(result.id);
    if (expected === undefined)
      throw new FormatError(`The reference has no task ${JSON.stringify(result.id)}: it belongs to another file.`);
    return { result, expected };
  });
  const expected = pairs.map(({ result, expected: { passed } }) => ({ skill: result.skill, passed }));
  const idsWhere = (wanted: boolean) =>
    pairs.filter((pair) => pair.expected.passed === wanted && pair.result.passed !== wanted).map(({ result }) => result.id);
  return {
    passed: countPassed(expected),
    skills: skillScores(expected),
    sameText: pairs.filter((pair) => pair.result.answer === pair.expected.answer).length,
    lost: idsWhere(true),
    gained: idsWhere(false),
  };
}
