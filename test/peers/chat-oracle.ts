/**
 * llama.cpp's own templates and parsers of answers, through a small program (chat-oracle.cpp) that is compiled against the library that
 * node-llama-cpp carries, into a temporary folder.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasSourcePeer, templatesIn, withLlamaSource } from './llama-source.ts';

const source = fileURLToPath(new URL('chat-oracle.cpp', import.meta.url));
const libraries = fileURLToPath(new URL('../../peers/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64', import.meta.url));
const HEADERS = ['common/*.h', 'common/jinja/*.h', 'include/*.h', 'ggml/include/*.h'];
const FOLDERS = ['common', 'include', 'ggml/include'];

function hasCompiler(): boolean {
  return spawnSync('g++', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** The source, its library for this machine, and a compiler are there. */
export const hasOraclePeer =
  hasSourcePeer && process.platform === 'linux' && existsSync(join(libraries, 'libllama-common.so')) && hasCompiler();

export interface OracleMessage {
  readonly content: string;
  readonly reasoning: string;
  readonly calls: readonly { readonly name: string; readonly arguments: string }[];
  readonly error?: string;
}

export type OracleRequest =
  | { readonly template: string }
  | {
      readonly messages: readonly object[];
      readonly tools?: readonly object[] | undefined;
      readonly thinking?: boolean;
      /** Seconds since 1970. */
      readonly now?: number;
    }
  /** `ends` in bytes; the text is over where one is its length. */
  | { readonly text: string; readonly ends: readonly number[] };

export interface OracleAnswer {
  readonly error?: string;
  readonly prompt?: string;
  readonly generationPrompt?: string;
  readonly messages?: readonly OracleMessage[];
}

export interface ChatOracle {
  /** Chat templates in the source, by the names of their files. */
  readonly templates: ReadonlyMap<string, Buffer>;
  /** Answers in the order of the requests. */
  ask(requests: readonly OracleRequest[]): readonly OracleAnswer[];
  /** Removes its folder. */
  close(): void;
}

/** Compiles the program, which takes a second or two. */
export function openChatOracle(): ChatOracle {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-chat-oracle-'));
  const tree = join(folder, 'tree');
  const program = join(folder, 'oracle');
  mkdirSync(tree);
  const templates = withLlamaSource((git) => {
    git('--work-tree', tree, 'checkout', 'HEAD', '--', ...HEADERS);
    return templatesIn(git);
  });
  const shared = readdirSync(libraries)
    .filter((name) => /^lib(llama|ggml)(-common|-base)?(\.v[\d.]+)?\.so$/.test(name))
    .map((name) => join(libraries, name));
  const includes = FOLDERS.map((path) => `-I${join(tree, path)}`);
  execFileSync('g++', ['-std=c++17', '-O0', source, '-o', program, ...includes, ...shared, `-Wl,-rpath,${libraries}`], { stdio: 'pipe' });
  return {
    templates,
    ask(requests) {
      const input = requests.map((request) => JSON.stringify(request)).join('\n');
      const { stdout, status, stderr } = spawnSync(program, { input, maxBuffer: 1e9, encoding: 'utf8' });
      if (status !== 0) throw new Error(`chat oracle: status ${status}: ${stderr.slice(-2000)}`);
      return stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as OracleAnswer);
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
