/** `ingot serve` on the command line; what it runs is loaded when it runs. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { defaultModelPath } from '../model-options.ts';
import { printedConfig, readConfig } from './config.ts';
import type { Settings } from './config.ts';
import { configSchema } from './config-schema.ts';
import { flagOf, parseSetting, SETTING_NAMES, SETTINGS } from './settings.ts';
import type { Setting, SettingName } from './settings.ts';

const EXAMPLES = `
Routes: /v1/chat/completions, /v1/completions, /v1/responses, /v1/messages,
/v1/embeddings, /v1/rerank, /v1/audio/transcriptions, /v1/audio/translations,
/v1/files, /v1/batches, /v1/models, /tokenize, /detokenize, /metrics, /docs,
/openapi.json, /health and /ready, Ollama's /api/chat and its like
(docs/server.md); a page to chat at: /

All models share --memory. Those of --pin are loaded at the start, or the
first where none is pinned; the others when a request names them, in the
place of those that nobody uses where memory is short.

A setting stands in the config file (JSON, by its name: maxBodyBytes), in a
variable (INGOT_SERVE_MAX_BODY_BYTES) or on the command line
(--max-body-bytes); the later of these counts.

Examples:
  $ ingot serve
  $ ingot serve model.gguf --port 9000
  $ ingot serve small=qwen3-0.6b.gguf embed=./EmbeddingGemma-300M
  $ ingot serve a=a.gguf b=b.gguf --pin a --alias gpt-4o=b --idle-ms 600000
  $ ingot serve --config serve.json --print-config
`;

interface ServeFlags {
  readonly config?: string;
  readonly printConfig?: boolean;
  readonly printSchema?: boolean;
}

function optionOf(name: SettingName): Option {
  const setting: Setting = SETTINGS[name];
  const { value, about, choices, default: own } = setting;
  // The default is no flag: it counts less than a config file.
  const facts = [
    ...(choices === undefined ? [] : [`one of ${choices.join(', ')}`]),
    ...(own === undefined || typeof own === 'boolean' ? [] : [`default: ${own as string | number}`]),
  ];
  const shown = facts.length === 0 ? about : `${about} (${facts.join('; ')})`;
  if (setting.kind === 'switch' && own === true) return new Option(`--no-${flagOf(name).slice(2)}`, `without ${about}`);
  if (setting.kind === 'switch') return new Option(flagOf(name), about);
  return new Option(`${flagOf(name)} <${value}>`, shown).argParser((text: string) => {
    try {
      return parseSetting(text, setting);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  });
}

export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .summary('answer requests over HTTP, in the form of OpenAI')
    .description("Serves models at an endpoint of OpenAI's form, until it is interrupted.")
    .argument('[models...]', 'models: files, folders or URLs, each as it is or as name=path (default: the bundled model)')
    .option('--config <file>', 'settings, as JSON (INGOT_SERVE_CONFIG)')
    .option('--print-config', 'print all settings, as a config file, and end')
    .option('--print-schema', 'print the JSON Schema of config files, and end');
  for (const name of SETTING_NAMES) command.addOption(optionOf(name));
  command.addHelpText('after', EXAMPLES).action((models: readonly string[], flags: ServeFlags) =>
    serveOrPrint(models, flags, command));
}

/** What was given on the command line: a switch that was not has a value for commander. */
function givenFlags(flags: object, command: Command): Settings {
  const given = Object.entries(flags).filter(([name]) => Object.hasOwn(SETTINGS, name) && command.getOptionValueSource(name) === 'cli');
  return Object.fromEntries(given) as Settings;
}

async function serveOrPrint(models: readonly string[], flags: ServeFlags, command: Command): Promise<void> {
  if (flags.printSchema === true) return void process.stdout.write(`${JSON.stringify(configSchema(), undefined, 2)}\n`);
  const { INGOT_SERVE_CONFIG: fileOfVariable, ...environment } = process.env;
  const config = readConfig({
    file: flags.config ?? fileOfVariable, environment, flags: givenFlags(flags, command), models, defaultModel: defaultModelPath(),
  });
  if (flags.printConfig === true) return void process.stdout.write(`${JSON.stringify(printedConfig(config), undefined, 2)}\n`);
  const { serve } = await import('./serve.ts');
  await serve(config);
}
