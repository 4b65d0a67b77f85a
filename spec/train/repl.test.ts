/** Trying the language line by line, as a process that reads what stdin holds. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { root } from '../rooms/rooms.ts'
import { program } from '../support/built.ts'

const repl = (lines: ReadonlyArray<string>, ...words: ReadonlyArray<string>) => {
  const done = spawnSync(process.execPath, [program('train/cli/dinograph.ts'), 'repl', ...words], {
    cwd: root,
    encoding: 'utf8',
    input: lines.join('\n'),
  })
  return { code: done.status, out: done.stdout, err: done.stderr }
}

describe('dinograph repl', () => {
  test('shows values, the graph, gradients and kernels of what is typed, of several lines and with await', () => {
    const { code, out, err } = repl([
      'show(softmax(tensor([[1, 1], [0, 0]])))',
      'const x = core.input("x", [2])',
      'const f = (y) => {',
      '  return sum(square(y))',
      '}',
      'ir(f(x))',
      'const g = gradient(f(tensor([3])), x)',
      'add(g, 1)',
      'const three = await Promise.resolve(3)',
      'three + 1',
      '({ twice: mul(tensor([1, 2]), 2) })',
      'kernels(f(x), "gpujs:cpu")',
      'source(f(x), "gpujs:cpu")',
    ])
    expect(code, err).toBe(0)
    expect(out).toContain('f32[2, 2]\n[[0.5000, 0.5000],\n [0.5000, 0.5000]]\n')
    expect(out).toContain('graph ir\n  %0 = input x : f32[2]\n  %1 = mul (%0, %0) : f32[2]\n')
    expect(out).toContain('f32[2]\n[1, 1]\n4\ntwice: f32[2]\n[2, 4]\n')
    expect(out).toMatch(/^# 0: mul sum$/m)
    expect(out).toContain('function(')
  })

  test('says of a function alone how it is called', () => {
    const { code, out, err } = repl([
      'logSoftmax',
      'ops.sum',
      'ops.logSoftmax',
      'linear',
      'allReduce',
      'gather(0)',
      'losses.koleo',
      'randn',
      'const twice = (x, by = [2, "a)b"]) => mul(x, by)',
      'twice',
      'function half(x) { return mul(x, 0.5) }',
      'half',
      '[Math.max, new Map().get]',
      'Math.max',
    ])
    expect(code, err).toBe(0)
    const said = [
      'logSoftmax(axis = -1)(x), or logSoftmax(x)',
      'sum(options = {})(x), or sum(x)',
      'logSoftmax(axis = -1)(x), or logSoftmax(x)',
      'linear(x, weight, bias)',
      'allReduce(ranks, op = "sum")(x)',
      'f(x, index)',
      'koleo(o = {})',
      'randn(shape = [], name = named("randn"))',
      'twice(x, by = [2, "a)b"])',
      'half(x)',
    ]
    const others = ['[ [Function: max], [Function: get] ]', '[Function: max]', '']
    // quotes are as the compiler writes them
    expect(out.replaceAll(`'`, '"').split('\n')).toEqual([...said.map((call) => `a function, called as ${call}`), ...others])
  })

  test('says what docs/language.md shows', () => {
    const [, session = ''] = /^```\n(> .*?)^```$/ms.exec(readFileSync(join(root, 'docs/language.md'), 'utf8')) ?? []
    const lines = session.split('\n')
    const { code, out } = repl(lines.filter((l) => l.startsWith('> ')).map((l) => l.slice(2)))
    expect(code).toBe(0)
    expect(out).toBe(lines.filter((l) => !l.startsWith('> ')).join('\n'))
  })

  test('draws by the seed, once for each tensor; what has no value is drawn when it is needed, which is said', () => {
    const lines = ['randn([2])', 'randn([2])', 'const w = core.input("w", [2])', 'w', 'sub(w, w)', 'gradient(mul(w, w))']
    const [one, again, other] = [repl(lines), repl(lines), repl(lines, '--seed', '1')]
    expect(one.code, one.err).toBe(0)
    expect(again.out).toBe(one.out)
    expect(other.out).not.toBe(one.out)
    const [, first, , second] = one.out.split('\n')
    expect(first).not.toBe(second)
    expect(one.out).toContain('[0, 0]')
    expect(one.out).toMatch(/^w: f32\[2\]$/m)
    expect(one.err).toBe('w has no value: drawn as randn, f32[2]\n')
  })

  test.each([
    ['add(randn([2, 3]), randn([4]))', 1, /^type fault at add \(stdin:2:1\)\n {2}found: {3}f32\[2, 3\], f32\[4\]/],
    ['softmx(1)', 2, /^usage fault at stdin:2\n {2}found: {3}softmx is not defined\n.*\n {2}remedy: {2}did you mean softmax\?/],
    ['show(1)', 2, /^usage fault at show\n {2}found: {3}no expression/],
    ['const a = (', 2, /^usage fault at stdin:2\n {2}found: {3}a statement without an end/],
    ['kernels(randn([2]), "gpujs:cup")', 2, /^usage fault at --target/],
  ])('%s is a fault, and ends what stdin holds', (line, code, text) => {
    const done = repl(['1 + 1', line, '"after"'])
    expect(done.code).toBe(code)
    expect(done.out).toBe('2\n')
    expect(done.err).toMatch(text)
  })
})
