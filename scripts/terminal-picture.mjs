// `node scripts/terminal-picture.mjs`: runs the commands below for real and draws what they print as site/pictures/terminal.svg.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repoRoot } from './install.mjs';

const COLUMNS = 80;
const LINE = 19;
const LETTER = 8.4;
const cli = join(repoRoot, 'dist', 'cli', 'main.js');

/** As they are typed. What stands on stderr (progress, speed) is of the machine that drew the picture, and is left out. */
const COMMANDS = [
  ['--temperature', '0', 'Where does a hen live?'],
  ['--seed', '1', '--max-tokens', '150', 'Tell me a story about a fox called Ash.'],
];

const typed = (args) => ['ingot', 'run', ...args].map((word) => (/[ ?]/.test(word) ? `"${word}"` : word)).join(' ');

/** @returns the answer's lines, wrapped */
function answerTo(args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'run', ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${typed(args)} ended with ${status}: ${stderr}`);
  return wrapped(stdout.trim());
}

function wrapped(text) {
  const lines = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + word.length + 1 > COLUMNS) {
        lines.push(line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines;
}

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Lines that appear one after the other, once; a reader that draws no animation shows them all. */
function picture(lines) {
  const [width, height] = [COLUMNS * LETTER + 40, lines.length * LINE + 62];
  const rows = lines.map(({ text, kind }, i) => {
    const delay = (0.25 * i).toFixed(2);
    const place = `x="20" y="${62 + i * LINE}" style="animation-delay:${delay}s"`;
    return `<text class="${kind}" ${place} xml:space="preserve">${escaped(text)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>Ingot in a terminal: a question and a story</title>
<style>
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d8dee9; animation: come .3s both; }
.typed { fill: #a3be8c; }
@keyframes come { from { opacity: 0 } } @media (prefers-reduced-motion: reduce) { text { animation: none } }
</style>
<rect width="100%" height="100%" rx="10" fill="#1f2430"/>
<circle cx="22" cy="20" r="6" fill="#bf616a"/><circle cx="42" cy="20" r="6" fill="#ebcb8b"/><circle cx="62" cy="20" r="6" fill="#a3be8c"/>
${rows.join('\n')}
</svg>
`;
}

const lines = COMMANDS.flatMap((args, i) => [
  ...(i === 0 ? [] : [{ text: '', kind: 'typed' }]),
  { text: `$ ${typed(args)}`, kind: 'typed' },
  ...answerTo(args).map((text) => ({ text, kind: 'answer' })),
]);
writeFileSync(join(repoRoot, 'site', 'pictures', 'terminal.svg'), picture(lines));
