/** `ingot app`: the app as files, for any host of static files. */
import type { Command } from 'commander';
import { writeAppFiles } from '../node/write-app-files.ts';
import { expandHome } from './input-path.ts';

const EXAMPLES = `
The files run models in the browser of whoever opens them, and need no server
but one that sends files over HTTPS (docs/app.md). --models names a list of
models that the same host has, by its address from the page; it is JSON:
[{ "name": "Ember", "url": "models/ember.gguf", "bytes": 12000000 }]
Reading aloud takes espeak-ng, whose licence is not Ingot's: --espeak names the
package, which "npm install espeak-ng" brings.

Examples:
  $ ingot app public/chat
  $ ingot app public/chat --models models.json
`;

interface AppFlags {
  readonly models?: string;
  readonly espeak?: string;
}

export function registerApp(program: Command): void {
  program
    .command('app')
    .summary('write the app as files for a static host')
    .description('Writes the chat app into a folder, which any host of static files can serve.')
    .argument('<folder>', 'a new or empty folder, or one that has the app already')
    .option('--models <address>', "list of the host's own models, from the page: models.json")
    .option('--espeak <folder>', 'the npm package espeak-ng (GPL 3), for pages that read aloud')
    .addHelpText('after', EXAMPLES)
    .action(async (folder: string, { models, espeak }: AppFlags) => {
      const count = await writeAppFiles(expandHome(folder), {
        modelList: models, espeak: espeak === undefined ? undefined : expandHome(espeak),
      });
      process.stdout.write(`${folder}: ${count} files\n`);
    });
}
