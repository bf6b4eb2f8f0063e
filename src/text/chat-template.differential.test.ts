/** Templates against what jinja2 made of them, recorded: every filter, test, method, global and statement that it has. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { caseDifference, caseFamilies, casesAbout, readCases } from '../../test/template-cases.ts';
import { FormatError } from '../tensor/errors.ts';
import { renderChat } from './chat-template.ts';
import type { TemplateData } from './chat-template.ts';

const mostShown = 12;
const fewest = 8;

/** Cases whose values no template of a chat needs; each is refused, and never rendered as something else. */
const refusedCases = new Map([
  ['{{ (-8) ** (1 / 3) }}', 'a complex number'],
  [String.raw`{{ '\N{BULLET}' }}`, 'a character by its Unicode name, which needs the table of all names'],
  ["{{ d.keys() - ['a'] }}", 'a set, whose order Python leaves to chance'],
]);

describe.each(caseFamilies)('%s render as jinja2 renders them', (family) => {
  const groups = readCases(family);
  it.each(Object.keys(groups))('%s', (group) => {
    const cases = groups[group]!.filter(([template]) => !refusedCases.has(template));
    const differences = cases.map(caseDifference).filter((each) => each !== undefined);
    const heading = `${differences.length} of ${cases.length} cases differ`;
    expect(differences.length, `${heading}\n  ${differences.slice(0, mostShown).join('\n  ')}\n`).toBe(0);
  });
});

describe('the recorded cases', () => {
  const groups = new Map(caseFamilies.flatMap((family) => Object.entries(readCases(family))));
  const recorded = (group: string): number => (groups.get(group) ?? []).length;

  it.each(['filters', 'tests', 'globals'] as const)('meet each of the %s of jinja2, or it is refused', (kind) => {
    const singular = kind.slice(0, -1);
    const unmet = casesAbout[kind]
      .map((name) => `${singular} ${name}`)
      .filter((name) => !(name in casesAbout.refused) && recorded(name) < fewest);
    expect(casesAbout[kind].length).toBeGreaterThan(7);
    expect(unmet).toEqual([]);
  });

  it.each([...refusedCases])('%s is refused: %s', (template) => {
    expect([...groups.values()].flat().some(([each]) => each === template)).toBe(true);
    expect(() => renderChat(template, { messages: [], variables: casesAbout.data })).toThrow(FormatError);
  });

  it.each(Object.entries(casesAbout.refused))('what has no right value is refused by name: %s', (name) => {
    const [kind, word] = name.split(' ') as [string, string];
    const render = (): string => renderChat(kind === 'filter' ? `{{ [1, 2] | ${word} }}` : `{{ ${word}() }}`, { messages: [] });
    expect(render).toThrow(FormatError);
    expect(render).toThrow(word);
  });
});

/** A case of the shared folder that has a template. */
interface SharedCase {
  readonly t: string;
  readonly vars?: Readonly<Record<string, TemplateData>>;
  readonly messages?: readonly object[];
  readonly tools?: readonly object[];
  readonly want: string;
}

describe.skipIf(!hasShared('cases'))('shared cases', () => {
  const cases = `${sharedPath}/cases/`;
  const readShared = (name: string): SharedCase[] => JSON.parse(readFileSync(`${cases}${name}/cases.json`, 'utf8')) as SharedCase[];
  const folders = hasShared('cases')
    ? readdirSync(cases).filter((name) => hasShared(`cases/${name}/cases.json`) && readShared(name).every((each) => 't' in each))
    : [];

  it.each(folders)('%s', (name) => {
    for (const { t, vars = {}, messages = [], tools, want } of readShared(name))
      expect(renderChat(t, { messages, tools, variables: vars }), t).toBe(want);
  });
});
