/** The app at `/` in a real browser, by the keyboard alone. One Chromium, one server and one page for all of it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasChromium } from '../browser/chromium.ts';
import { fakeSpeechModel } from '../fake-speech-model.ts';
import { scriptedVoice } from '../scripted-cascade.ts';
import { appRig } from './app-rig.ts';
import { scriptedAnswer } from './app-script.ts';
import { chatTests } from './chat-tests.ts';
import { fileTests } from './file-tests.ts';
import { keyboardTests } from './keyboard-tests.ts';
import { pageTests } from './page-tests.ts';
import { suspendedTests } from './suspended-tests.ts';
import { tabTests } from './tab-tests.ts';
import { downloadTests, scriptedDownloads } from './download-tests.ts';
import { scriptedModel } from './scripted-model.ts';
import type { ScriptedModel } from './scripted-model.ts';

describe.skipIf(!hasChromium)('the app', () => {
  const script = {} as { value: ScriptedModel };
  const rig = appRig(async () => {
    script.value = await scriptedModel(scriptedAnswer);
    const { model } = script.value;
    const memoryNeeds = async () => ({ bytes: 3e12, contextLength: 64, contextIn: () => 0 });
    const loader = { load: async () => model, memoryNeeds, isHere: () => true };
    const models = { scripted: model, other: model, ears: fakeSpeechModel().model, voice: scriptedVoice(100), vast: loader };
    return { models, memoryBytes: 2e9, downloads: scriptedDownloads(model) };
  });
  const failures: string[] = [];
  beforeEach(() => rig.complaints.splice(0));
  afterEach(() => failures.push(...rig.complaints.filter((one) => !/status of (401|503)|ERR_INTERNET_DISCONNECTED/.test(one))));

  describe('a chat', () => chatTests(rig, () => script.value));
  describe('files', () => fileTests(rig, () => script.value));
  describe('the page', () => pageTests(rig));
  describe('downloads', () => downloadTests(rig));
  describe('tabs', () => tabTests(rig));
  describe('a page that is suspended', () => suspendedTests(rig));
  describe('the keyboard', () => keyboardTests(rig));

  it('asked nobody but its server, and broke no policy of its own', () => {
    expect(rig.asked.filter((url) => !url.startsWith(`${rig.origin}/`) && !/^(data|blob|about):/.test(url))).toEqual([]);
    expect(failures).toEqual([]);
  });
});
