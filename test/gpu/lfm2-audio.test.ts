import { describe, it } from 'vitest';
import { hasShared } from '../fixture-tensors.ts';
import { checkDepthBeside, checkEars, checkMixed, checkVocoder, LFM2_AUDIO_GOLDEN } from '../lfm2-audio-golden.ts';
import { checkCuts, checkFlowsBeside, checkVoice } from '../talk-golden.ts';
import { TEST_PROFILES } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

const open = () => softwareExecutor({ profile: TEST_PROFILES.float });

describe.skipIf(!hasShared(LFM2_AUDIO_GOLDEN))('LFM2-Audio computes what its authors compute', () => {
  it('of sounds', async () => checkEars(await open(), 1e-4, { hasWideHeads: true }), 240_000);
  it('of text, sound and speech in one sequence', async () => checkMixed(await open(), 1e-4, { hasWideHeads: true }), 240_000);
  it('the codes of frames, in one submit', async () => checkDepthBeside(await open(), 1e-4), 240_000);
  it('spectra of codes', async () => checkVocoder(await open(), 1e-4, { hasWideHeads: true }), 240_000);
});

describe.skipIf(!hasShared(LFM2_AUDIO_GOLDEN))('talk', () => {
  it('gives the answers of the reference', async () => checkFlowsBeside(await open()), 240_000);
  it('goes on where it was cut', async () => checkCuts(await open(), { hasWideHeads: true }), 240_000);
  it('speaks frames as they come', async () => checkVoice(await open(), 1e-4, { hasWideHeads: true }), 240_000);
});
