import { expect, it } from 'vitest';
import { isOfImageHosts, parseImageHost } from './image-host.ts';

it.each([
  ['a.example', ['http://a.example/i', 'https://a.example/i', 'http://A.example:80/i'], ['http://a.example:8/i']],
  ['a.example:443', ['https://a.example/i', 'https://a.example:443/i'], ['http://a.example/i', 'https://a.example:8443/i']],
  ['a.example:80', ['http://a.example/i'], ['https://a.example/i', 'http://a.example:8080/i']],
  ['a.example:8443', ['https://a.example:8443/i', 'http://a.example:8443/i'], ['https://a.example/i']],
  ['[::1]', ['http://[::1]/i', 'https://[0:0::1]/i'], ['http://[::1]:81/i', 'http://[::2]/i']],
  ['[::1]:443', ['https://[::1]/i'], ['http://[::1]/i']],
])('%s: what is fetched from it, and what is not', (host, own, others) => {
  const hosts = new Set([parseImageHost(host)]);
  for (const url of own) expect(isOfImageHosts(new URL(url), hosts), url).toBe(true);
  const foreign = [...others, 'https://b.example/i', 'https://a.example.org/i'];
  for (const url of foreign) expect(isOfImageHosts(new URL(url), hosts), url).toBe(false);
});

it('what is no host is refused', () => {
  for (const host of ['https://a.com/x', '', 'a b', '*', 'a@b', 'a:port']) expect(() => parseImageHost(host), host).toThrow(/is no host/);
});
