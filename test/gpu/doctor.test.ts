import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DoctorReport } from '../../src/cli/doctor-report.ts';
import { PROFILES } from '../../src/gpu/profile/profiles.ts';
import { profileTable } from '../../src/gpu/profile/profile-table.ts';
import { repoRoot } from '../house/repository.ts';

const main = join(repoRoot, 'dist', 'cli', 'main.js');

function doctor(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'doctor', ...args], {
    encoding: 'utf8',
    timeout: 200_000,
    killSignal: 'SIGKILL',
  });
  return { status, stdout, stderr };
}

const isMissing = !existsSync(main) || process.env['INGOT_SOFTWARE_GPU'] !== '1';

describe.skipIf(isMissing)('doctor, where there is a software adapter', { timeout: 240_000 }, () => {
  it('measures it, says what its profile chooses, and leaves it to who asks', () => {
    const { status, stdout, stderr } = doctor('--json');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { software, gpu, devices, auto } = JSON.parse(stdout) as DoctorReport;
    expect(software).toMatchObject({ name: 'SwiftShader', profile: 'software', adapter: { isSoftware: true } });
    expect(software.copyBytesPerSecond).toBeGreaterThan(1e7);
    expect(software.dispatchMicroseconds).toBeGreaterThan(0);
    expect(software.choices.map(({ choice }) => choice)).toEqual(profileTable(PROFILES.software).map(({ choice }) => choice));
    expect(devices.find(({ device }) => device === 'software')).toMatchObject({ isUsable: true });
    if (gpu.adapter === null) {
      expect(auto.device).toBe('cpu');
      // The reason stands once, with the device that it is about.
      expect(devices.find(({ device }) => device === 'gpu')).toMatchObject({
        isUsable: false,
        reason: expect.stringContaining('only a software adapter (SwiftShader)'),
      });
    }
  });

  it('prints it for people', () => {
    const { status, stdout } = doctor();
    expect(status).toBe(0);
    for (const words of [
      'Software adapter\n',
      'Profile software\n',
      PROFILES.software.why.activations,
      'storage buffers',
      'us from one to the next',
    ])
      expect(stdout).toContain(words);
  });
});
