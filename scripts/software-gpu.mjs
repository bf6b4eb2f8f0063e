// A software Vulkan adapter for tests: SwiftShader, from the Chromium among the peers, unpacked once beside it.
// As a command: `node scripts/software-gpu.mjs COMMAND...` runs COMMAND with the environment that makes Dawn find it.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { peersRoot } from './peers.mjs';

const packed = join(peersRoot, 'node_modules', '@sparticuz', 'chromium', 'bin', 'swiftshader.tar.br');
const folder = join(peersRoot, 'node_modules', '.cache', 'swiftshader');
const icd = join(folder, 'vk_swiftshader_icd.json');

/** Unpacks into a folder of its own first, so that two tests that come at once do not see half of it. */
function unpack() {
  if (existsSync(icd)) return;
  mkdirSync(join(folder, '..'), { recursive: true });
  const partial = mkdtempSync(`${folder}-`);
  const { status } = spawnSync('tar', ['-xf', '-', '-C', partial], {
    input: brotliDecompressSync(readFileSync(packed)),
    stdio: ['pipe', 2, 2],
  });
  if (status !== 0) throw new Error(`tar could not unpack ${packed}`);
  try {
    renameSync(partial, folder);
  } catch {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Why there is no software adapter on this machine; undefined where there is one. */
export function softwareGpuProblem() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `no software Vulkan adapter for ${process.platform}-${process.arch} among the peers`;
  if (!existsSync(packed)) return 'the peers (npm ci in peers/) are not installed';
  return undefined;
}

/** Environment for a new process; the loader reads it at the process's start. */
export function softwareGpuEnvironment() {
  unpack();
  const paths = [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  return { VK_ICD_FILENAMES: icd, VK_DRIVER_FILES: icd, LD_LIBRARY_PATH: paths, INGOT_SOFTWARE_GPU: '1' };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const problem = softwareGpuProblem();
  if (problem) throw new Error(problem);
  const [command, ...args] = process.argv.slice(2);
  spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...softwareGpuEnvironment() } }).on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}
