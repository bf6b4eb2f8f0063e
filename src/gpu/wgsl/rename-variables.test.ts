import { expect, it } from 'vitest';
import { renameVariables } from './rename-variables.ts';

const rename = (text: string) => renameVariables(text, new Map([['x', 'shared0.x'], ['codes', 'shared0.codes']]), ['shared0']);

it('a variable is renamed, and no member, comment or longer name', () => {
  expect(rename('fn main() { y[x] = p.x + x.x + x1 + ax; // x\n  f(&x, &codes[x[2]], 0x1fu, 1.0); }')).toBe(
    'fn main() { y[shared0.x] = p.x + shared0.x.x + x1 + ax; // x\n  f(&shared0.x, &shared0.codes[shared0.x[2]], 0x1fu, 1.0); }',
  );
});

it('what hides a variable is not renamed, as far as it does', () => {
  expect(rename('fn f(@builtin(a) x: vec2<f32>, b: u32) -> f32 { return x.x + codes[0]; }\nfn g() { y = x[0]; }')).toBe(
    'fn f(@builtin(a) x: vec2<f32>, b: u32) -> f32 { return x.x + shared0.codes[0]; }\nfn g() { y = shared0.x[0]; }',
  );
  expect(rename('fn f() { if (a) { let x = x[0] + 1.0; y = x; } var<function> codes: u32 = codes[1]; z = x[codes]; }')).toBe(
    'fn f() { if (a) { let x = shared0.x[0] + 1.0; y = x; } var<function> codes: u32 = shared0.codes[1]; z = shared0.x[codes]; }',
  );
  expect(rename('struct S { x: u32, codes: f32 }\nfn f() { s = S(x[0], 1.0); }')).toBe(
    'struct S { x: u32, codes: f32 }\nfn f() { s = S(shared0.x[0], 1.0); }',
  );
});

it.each([
  ['const x = 1;', 'x is the name of something else too'],
  ['var<workgroup> codes: array<u32, 4>;', 'codes is the name of something else too'],
  ['fn f() { for (var x = 0u; x < 4u; x++) { y = x; } }', 'x is the name of something else too'],
  ['fn x() -> u32 { return 1u; }', 'x is the name of a function too'],
  ['fn f() { if (i < arrayLength(&x)) { return; } }', 'the text asks for the length of x'],
  ['fn f() { y = x[0] + shared0; }', 'shared0 is a name of the text already'],
  ['fn f() { y = x[0]; /* x */ }', 'a block comment'],
])('%s is refused', (text, problem) => {
  expect(() => rename(text)).toThrow(problem);
});
