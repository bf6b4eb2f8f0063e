/** What `ingot serve` is told, by its config file, then by variables, then on the command line; the later one counts. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { InputError } from '../../tensor/errors.ts';
import { describeValue } from '../../tensor/option-names.ts';
import { UsageError } from '../exit-codes.ts';
import { expandHome, inputPath, isUrl } from '../input-path.ts';
import { didYouMean } from '../suggestions.ts';
import { dataFolder } from '../../node/data-folder.ts';
import { hubIdOf } from '../../node/hub/hub-id.ts';
import { repeatedMember } from './repeated-member.ts';
import { checkSettingValue, flagOf, parseSetting, SETTING_NAMES, SETTINGS, variableOf } from './settings.ts';
import type { Setting, SettingName, SettingValue } from './settings.ts';

/** A model, and the names that requests have for it. */
export interface ServedPath {
  readonly name: string;
  /** A file, a folder or a URL. */
  readonly path: string;
}

export type Settings = { readonly [Name in SettingName]?: SettingValue };

export interface ServeConfig {
  readonly models: readonly ServedPath[];
  readonly settings: Settings;
  /** Where each setting, and `models`, came from: `default`, the path of the config file, the name of a variable, or a flag. */
  readonly from: Readonly<Record<string, string>>;
}

/** As a path of a database: there is none. */
export const NO_DATABASE = 'none';

export interface ConfigSources {
  /** Path of the config file. */
  readonly file: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** As commander gives them. */
  readonly flags: Settings;
  /** `model.gguf` or `name=model.gguf` */
  readonly models: readonly string[];
  /** The model that is served where none is named. */
  readonly defaultModel: string;
}

/** The last part of a path or URL, without the ending of a file. */
function nameOf(path: string): string {
  const last = isUrl(path) ? (new URL(path).pathname.split('/').findLast((part) => part !== '') ?? '') : basename(path);
  return last.replace(/\.gguf$/i, '') || 'model';
}

/** `name=path`, where no file is called so as a whole. */
function parseModel(text: string): ServedPath {
  const [, name, rest] = /^([^=/\\]+)=(.+)$/s.exec(text) ?? [];
  if (name !== undefined && rest !== undefined && !isUrl(text) && !existsSync(expandHome(text))) return { name, path: rest };
  return { name: nameOf(text), path: text };
}

/** Paths of a file are from where that lies. */
function fromFolder(path: string, folder: string): string {
  return isUrl(path) || isAbsolute(path) || path.startsWith('~') ? path : join(folder, path);
}

/** As {@link fromFolder}, of a model: what is not there, nor the folder of its first part, may be an id of the hub. */
function modelFromFolder(path: string, folder: string): string {
  const isThere = existsSync(join(folder, path)) || existsSync(join(folder, path.slice(0, Math.max(0, path.indexOf('/')) || path.length)));
  return !isThere && !isUrl(path) && hubIdOf(path) !== undefined ? path : fromFolder(path, folder);
}

function modelOfFile(value: unknown, at: string, folder: string): ServedPath {
  if (typeof value === 'string' && value !== '') {
    const path = modelFromFolder(value, folder);
    return { name: nameOf(path), path };
  }
  const { name, path, ...others } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof path !== 'string' || path === '' || (name !== undefined && (typeof name !== 'string' || name === '')))
    throw new InputError(`${at} must be a path, or an object with path and name, found ${describeValue(value)}.`);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new InputError(`${at} has no ${JSON.stringify(unknown)}: it takes path and name.`);
  const found = modelFromFolder(path, folder);
  return { name: name ?? nameOf(found), path: found };
}

function parseFile(path: string): Record<string, unknown> {
  if (statSync(path).isDirectory()) throw new InputError(`The config file ${path} is a folder. Name the file in it.`);
  const text = readFileSync(path, 'utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`The config file ${path} is not valid JSON: ${(error as Error).message}.`, { cause: error });
  }
  const twice = repeatedMember(text);
  if (twice !== undefined) throw new InputError(`The config file ${path} has ${JSON.stringify(twice)} twice in one object: leave one.`);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InputError(`The config file ${path} must hold an object, found ${describeValue(value)}.`);
}

function readFile(path: string): { readonly models: readonly ServedPath[]; readonly settings: Settings } {
  const { models = [], $schema: _schema, $from: _from, ...given } = parseFile(path);
  const folder = dirname(path);
  if (!Array.isArray(models)) throw new InputError(`models in ${path} must be a list, found ${describeValue(models)}.`);
  const settings: Record<string, SettingValue> = {};
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(SETTINGS, name))
      throw new InputError(`The config file ${path} has ${JSON.stringify(name)}, which is no setting.${didYouMean(name, SETTING_NAMES)}`);
    const checked = checkedOfFile(value, name as SettingName, `${name} in ${path}`);
    const { isPath }: Setting = SETTINGS[name as SettingName];
    settings[name] = isPath === true && checked !== NO_DATABASE ? fromFolder(checked as string, folder) : checked;
  }
  return { models: models.map((model: unknown, index) => modelOfFile(model, `models[${index}] in ${path}`, folder)), settings };
}

function checkedOfFile(value: unknown, name: SettingName, where: string): SettingValue {
  try {
    return checkSettingValue(value, SETTINGS[name]);
  } catch (error) {
    throw new InputError(`${where}: ${(error as Error).message}`, { cause: error });
  }
}

function readEnvironment(environment: ConfigSources['environment']): Settings {
  const settings: Record<string, SettingValue> = {};
  const known = new Map(SETTING_NAMES.map((name) => [variableOf(name), name]));
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('INGOT_SERVE_') || text === undefined) continue;
    const name = known.get(variable);
    if (name === undefined) throw new UsageError(`${variable} is no setting of "ingot serve".${didYouMean(variable, [...known.keys()])}`);
    try {
      settings[name] = parseSetting(text, SETTINGS[name]);
    } catch (error) {
      throw new UsageError(`${variable}: ${(error as Error).message}`, { cause: error });
    }
  }
  return settings;
}

function defaults(environment: ConfigSources['environment']): Settings {
  const all = SETTING_NAMES.map((name) => [name, (SETTINGS[name] as Setting).default] as const);
  return { ...Object.fromEntries(all.filter(([, value]) => value !== undefined)), database: join(dataFolder(environment), 'serve.db') };
}

/** Which of several sources each name has its value from: the last that has it. */
function originsOf(sources: readonly (readonly [settings: Settings, from: (name: string) => string])[]): Record<string, string> {
  return Object.fromEntries(sources.flatMap(([settings, from]) => Object.keys(settings).map((name) => [name, from(name)] as const)));
}

/** Without what a URL has before its host: a user's name and password, or a token. */
function withoutCredentials(path: string): string {
  if (!isUrl(path)) return path;
  const url = new URL(path);
  if (url.username === '' && url.password === '') return path;
  [url.username, url.password] = ['hidden', ''];
  return url.href;
}

/** What counts, as a config file that says the same but for secrets, with the sources of it under `$from`. */
export function printedConfig({ models, settings, from }: ServeConfig): object {
  const shown = Object.entries(settings).map(([name, value]) =>
    [name, (SETTINGS[name as SettingName] as Setting).isSecret === true ? '(hidden)' : value]);
  return { models: models.map(({ name, path }) => ({ name, path: withoutCredentials(path) })), ...Object.fromEntries(shown), $from: from };
}

function checkNames(models: readonly ServedPath[]): void {
  const twice = models.find(({ name }, index) => models.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined)
    throw new UsageError(`two models would be called ${JSON.stringify(twice.name)}: name one, as in other=${twice.path}.`);
}

/** `gpt-4o=small`: the name, and the model's. @throws UsageError */
export function parseAlias(text: string): readonly [alias: string, name: string] {
  const [, alias, name] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (alias === undefined || name === undefined)
    throw new UsageError(`--alias expects a name and a model's name, as in gpt-4o=small, found ${describeValue(text)}.`);
  return [alias, name];
}

function checkSettingNames(models: readonly ServedPath[], { pin = [], alias = [] }: Settings): void {
  const names = models.map(({ name }) => name);
  const check = (flag: string, name: string) => {
    if (!names.includes(name)) throw new UsageError(`${flag} names ${describeValue(name)}, which is not served: ${names.join(', ')}.`);
  };
  for (const name of pin as readonly string[]) check('--pin', name);
  for (const text of alias as readonly string[]) {
    const [other, name] = parseAlias(text);
    check('--alias', name);
    if (names.includes(other)) throw new UsageError(`--alias ${text}: ${describeValue(other)} is a model's own name.`);
  }
}

/** Keys and the log are in the database. @throws UsageError for a setting that would have nowhere to be obeyed */
function checkDatabaseNeeds(settings: Settings): void {
  if (settings.database !== NO_DATABASE) return;
  for (const name of ['requireKeys', 'auditPrompts'] as const)
    if (settings[name] === true)
      throw new UsageError(`${flagOf(name)} needs a database, and --database none keeps nothing: leave one of the two out.`);
}

/** @throws UsageError and InputError for what cannot be meant, by the name of where it stands */
export function readConfig({ file, environment, flags, models, defaultModel }: ConfigSources): ServeConfig {
  if (file === '') throw new UsageError('the path of the config file (--config, INGOT_SERVE_CONFIG) is empty: name a file.');
  const ofFile = file === undefined ? { models: [], settings: {} } : readFile(inputPath(file));
  const [own, ofVariables] = [defaults(environment), readEnvironment(environment)];
  const settings = { ...own, ...ofFile.settings, ...ofVariables, ...flags };
  if ((settings.tlsCert === undefined) !== (settings.tlsKey === undefined))
    throw new UsageError('a certificate and its key go together: give both --tls-cert and --tls-key.');
  checkDatabaseNeeds(settings);
  const named = models.length > 0 ? models.map(parseModel) : ofFile.models;
  const served = named.length > 0 ? named : [parseModel(defaultModel)];
  checkNames(served);
  checkSettingNames(served, settings);
  const from = {
    models: models.length > 0 ? 'command line' : named.length > 0 ? (file as string) : 'default',
    ...originsOf([[own, () => 'default'], [ofFile.settings, () => file as string], [ofVariables, variableOf], [flags, flagOf]]),
  };
  return { models: served, settings, from };
}
