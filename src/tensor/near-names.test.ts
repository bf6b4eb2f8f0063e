import { describe, expect, it } from 'vitest';
import { nearestNames } from './near-names.ts';

const commands = ['chat', 'run', 'inspect', 'kernels', 'tokenize', 'convert', 'synth', 'eval', 'bench', 'doctor', 'help'];
const options = ['temperature', 'topK', 'topP', 'minP', 'maxTokens', 'seed', 'stop', 'prompt', 'ids', 'messages', 'signal'];
const files = ['ember-21m-q4_0.gguf', 'qwen3-0.6b-q4_0.gguf', 'notes.txt'];

describe('the name that a typo most likely meant', () => {
  it.each([
    // Swapped, doubled, missing and wrong letters, a hand on the next key, another ending.
    ['chta', 'chat'], ['hcat', 'chat'], ['caht', 'chat'], ['cht', 'chat'], ['chatt', 'chat'], ['cjat', 'chat'],
    ['rnu', 'run'], ['rum', 'run'], ['runn', 'run'], ['insepct', 'inspect'], ['inpect', 'inspect'], ['inspekt', 'inspect'],
    ['kernel', 'kernels'], ['tokenise', 'tokenize'], ['tokenizer', 'tokenize'], ['tok', 'tokenize'], ['conv', 'convert'],
    ['converter', 'convert'], ['evaluate', 'eval'], ['evla', 'eval'], ['bnech', 'bench'], ['benchmark', 'bench'], ['docter', 'doctor'],
    ['HELP', 'help'], ['--help', 'help'],
  ])('of a command: %s', (typo, meant) => {
    expect(nearestNames(typo, commands)[0]).toBe(meant);
  });

  const farWords = ['serve', 'banana', 'list', 'pull', 'x', '', '😀', 'hello', 'model', 'train', 'a'.repeat(1000)];
  it.each(farWords)('of a command, where none is near: %.20s', (word) => {
    expect(nearestNames(word, commands)).toEqual([]);
  });

  it.each([
    ['temprature', 'temperature'], ['Temperature', 'temperature'], ['temp', 'temperature'], ['max_tokens', 'maxTokens'],
    ['max-token', 'maxTokens'], ['maxToken', 'maxTokens'], ['topk', 'topK'], ['top_p', 'topP'], ['sead', 'seed'], ['stops', 'stop'],
    ['message', 'messages'], ['singal', 'signal'],
  ])('of an option: %s', (typo, meant) => {
    expect(nearestNames(typo, options)[0]).toBe(meant);
  });

  it.each([
    ['ember-21m-q4_0.guf', 'ember-21m-q4_0.gguf'], ['ember-21m-q4_0', 'ember-21m-q4_0.gguf'], ['ember21m.gguf', 'ember-21m-q4_0.gguf'],
    ['qwen3-0.6b-q4_1.gguf', 'qwen3-0.6b-q4_0.gguf'], ['note.txt', 'notes.txt'],
  ])('of a file: %s', (typo, meant) => {
    expect(nearestNames(typo, files)[0]).toBe(meant);
  });

  it.each([
    ['qwen3_5_mo', 'qwen3_5_moe'], ['qwen3_5moe_text', 'qwen3_5_moe_text'], ['qwen2_moe', 'qwen3_moe'], ['gemma9', 'gemma3'],
  ])('of an architecture among others of its word: %s', (typo, meant) => {
    const known = ['qwen2', 'qwen3', 'qwen3_moe', 'qwen3_5_text', 'qwen3_5', 'qwen3_5_moe_text', 'qwen3_5_moe', 'gemma3', 'gemma4_text'];
    expect(nearestNames(typo, known)[0]).toBe(meant);
  });

  it('two at most, the nearest first', () => {
    expect(nearestNames('topx', options)).toEqual(['topK', 'topP']);
  });
});
