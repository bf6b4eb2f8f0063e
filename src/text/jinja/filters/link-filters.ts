/** Filters that make links of addresses and take tags out of HTML. */
import { intArgument, textArgument } from '../arguments.ts';
import { filter } from '../filter.ts';
import type { Filter } from '../filter.ts';
import { escapeText } from '../html.ts';
import { stripTags } from '../html-entities.ts';
import { itemsOf } from '../iterate.ts';
import { textOf } from '../printing.ts';
import { TemplateError } from '../template-errors.ts';
import { asMarkup, asPlain, foreignText, ownText, rewriteText } from '../template-text.ts';
import { isText, isTruthy } from '../values.ts';

export const linkFilters: readonly (readonly [string, Filter])[] = [
  filter('striptags', [], (value, _args, { budget }) => {
    const text = textOf(value, budget);
    budget.scan(text.text.length * 4);
    return rewriteText(asPlain(text), stripTags);
  }),
  filter(
    'urlize',
    [
      ['trim_url_limit', null],
      ['nofollow', false],
      ['target', null],
      ['rel', null],
      ['extra_schemes', null],
    ],
    (value, [limit, noFollow, target, rel, extra], { budget, autoescape }) => {
      const words = isTruthy(rel)
        ? textArgument(rel, 'urlize')
            .text.split(/\s+/)
            .filter((each) => each !== '')
        : [];
      const relations = [...new Set([...words, ...(isTruthy(noFollow) ? ['nofollow'] : []), 'noopener'])].toSorted();
      const schemes = extra === null ? [] : itemsOf(extra, budget).map((scheme) => textArgument(scheme, 'urlize').text);
      const wrong = schemes.find((scheme) => !/^[\p{L}\p{N}_.+-]{2,}:\/{0,2}$/u.test(scheme));
      if (wrong !== undefined) throw new TemplateError(`urlize: "${wrong.slice(0, 60)}" is not the start of an address`);
      const attribute = (name: string, text: string): string => ` ${name}="${escapeText(ownText(text), budget).text}"`;
      const rules: LinkRules = {
        limit: () => (limit === null ? Infinity : intArgument(limit, 'urlize')),
        attributes: attribute('rel', relations.join(' ')) + (isTruthy(target) ? attribute('target', textOf(target, budget).text) : ''),
        schemes,
      };
      const text = escapeText(value, budget);
      budget.scan(text.text.length * 16);
      // Attributes and schemes may come from a message where the text does not.
      const isForeign = [target, rel, ...(extra === null ? [] : itemsOf(extra, budget))].some(
        (each) => isText(each) && each.foreign.length > 0,
      );
      const linked = rewriteText(isForeign ? foreignText(text.text) : asPlain(text), (plain) =>
        plain
          .split(/(\s+)/)
          .map((each) => linkWord(each, rules))
          .join(''),
      );
      budget.allowText(linked.text.length);
      return autoescape ? asMarkup(linked) : linked;
    },
  ),
];

interface LinkRules {
  /** Characters of an address that are shown. */
  readonly limit: () => number;
  readonly attributes: string;
  readonly schemes: readonly string[];
}

const wordChar = String.raw`\p{L}\p{N}_`;
const hosts = [
  // A scheme or "www.", and any domain.
  String.raw`(?:https?://|www\.)(?:(?:[${wordChar}%-]+\.)+)?(?:[a-z]{2,63}|xn--[${wordChar}%]{2,59})`,
  // A domain of a common kind.
  String.raw`(?:[${wordChar}%-]{2,63}\.)+(?:com|net|int|edu|gov|org|info|mil)`,
  // A scheme and a number of a network.
  String.raw`https?://(?:\d{1,3}(?:\.\d{1,3}){3}|\[(?:[\da-f]{0,4}:){2}(?:[\da-f]{0,4}:?){1,6}\])`,
];
const webAddress = new RegExp(String.raw`^(?:${hosts.join('|')})(?::\d{1,5})?(?:[/?#]\S*)?$`, 'iu');
const mailAddress = /^\S+@[\p{L}\p{N}_][\p{L}\p{N}_.-]*\.[\p{L}\p{N}_]+$/u;
const brackets = [
  ['(', ')'],
  ['<', '>'],
  ['&lt;', '&gt;'],
] as const;

const countOf = (text: string, part: string): number => text.split(part).length - 1;

function linkWord(word: string, rules: LinkRules): string {
  const head = /^(?:[(<]|&lt;)+/.exec(word)?.[0] ?? '';
  let middle = word.slice(head.length);
  let tail = '';
  if (/(?:[)>.,\n]|&gt;)$/.test(middle)) {
    let end = middle.length;
    for (let match = /(?:[)>.,\n]|&gt;)$/.exec(middle); match !== null; match = /(?:[)>.,\n]|&gt;)$/.exec(middle.slice(0, end)))
      end = match.index;
    [middle, tail] = [middle.slice(0, end), middle.slice(end)];
  }
  for (const [open, close] of brackets) {
    const opened = countOf(middle, open);
    if (opened <= countOf(middle, close)) continue;
    for (let left = Math.min(opened, countOf(tail, close)); left > 0; left--) {
      const end = tail.indexOf(close) + close.length;
      [middle, tail] = [middle + tail.slice(0, end), tail.slice(end)];
    }
  }
  return head + linkOf(middle, rules) + tail;
}

function linkOf(address: string, { limit, attributes, schemes }: LinkRules): string {
  if (webAddress.test(address)) {
    const shown = Array.from(address);
    const most = limit();
    const text = shown.length > most ? `${shown.slice(0, most).join('')}...` : address;
    return `<a href="${/^https?:\/\//.test(address) ? '' : 'https://'}${address}"${attributes}>${text}</a>`;
  }
  if (address.startsWith('mailto:') && mailAddress.test(address.slice(7))) return `<a href="${address}">${address.slice(7)}</a>`;
  if (!address.startsWith('www.') && !address.startsWith('@') && !address.includes(':') && mailAddress.test(address)) {
    return `<a href="mailto:${address}">${address}</a>`;
  }
  return schemes.reduce(
    (text, scheme) => (text !== scheme && text.startsWith(scheme) ? `<a href="${text}"${attributes}>${text}</a>` : text),
    address,
  );
}
