/**
 * The place that a fault names is the user's own line: also when the program runs under tsx, lies in a folder called
 * `data/models` or with a blank in its name, and stands more calls away from the misuse than a stack usually tells.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { afterAll, describe, expect, it } from 'vitest'
import { programs } from './programs.ts'

const root = join(import.meta.dirname, '../..')
const home = realpathSync(mkdtempSync(join(tmpdir(), 'dinograph place ')))

afterAll(() => {
  rmSync(home, { recursive: true })
})

const program = `import { leaf } from '${root}/core/expr.ts'
import { value } from '${root}/core/graph.ts'
import { context, inScope } from '${root}/core/model.ts'
import { trace } from '${root}/core/trace.ts'
import { add } from '${root}/ops/elementwise.ts'

const x = (shape: ReadonlyArray<number>) => leaf({ dtype: 'f32', shape }, { _tag: 'Input', path: String(shape) })

const deep = (n: number): ReturnType<typeof add> =>
  n === 0
    ? add(x([2]), x([3]))
    : inScope(context('eval'), n, () => deep(n - 1))

const traced = trace('user', [value('y', deep(20))])
console.log(traced._tag === 'Left' ? traced.left.place : 'no fault')
`

const placeUnderTsx = (folder: string, text = program): string => {
  const at = join(home, folder)
  mkdirSync(at, { recursive: true })
  writeFileSync(join(at, 'user.ts'), text)
  return execFileSync(process.execPath, ['--import', 'tsx', join(at, 'user.ts')], { cwd: root, encoding: 'utf8' }).trim()
}

describe('the place of a misuse under tsx', () => {
  it.each(['data/models', 'core', 'a (b)/ops'])('is the line of a program in %s', { timeout: 30000 }, (folder) => {
    expect(placeUnderTsx(folder)).toBe(`add (${join(home, folder)}/user.ts:11:7) in 1`)
  })
})

describe('an error that no rule has foreseen', () => {
  const failing = (call: string) => `import { unexpected } from '${root}/core/fault.ts'
import { iota } from '${root}/ops/gather.ts'
try {
  ${call}
} catch (e) {
  const { place, allowed, remedy } = unexpected(e)
  console.log([place, allowed, remedy].join('\\n'))
}
`
  const here = join(home, 'wrong/user.ts')
  it('names the line that passed a value of another type, which tsx does not check', { timeout: 30000 }, () => {
    const [place, allowed, remedy] = placeUnderTsx('wrong', failing('iota(3)')).split('\n')
    expect(place).toMatch(/ops\/gather\.ts:\d+:\d+/)
    expect(allowed).toMatch(new RegExp(`^values of the types that are called for at ${here}:4:\\d+$`))
    expect(remedy).toContain('npx tsc --noEmit')
  })
  it('is corrected where the user’s program has thrown it', { timeout: 30000 }, () => {
    expect(placeUnderTsx('wrong', failing("throw new Error('mine')")).split('\n')[2]).toMatch(new RegExp(`^correct it at ${here}:4:\\d+$`))
  })
})

/** Where each wrong program says that it is wrong, if it is wrong in its types. */
const places = Object.entries(programs).flatMap(([name, run]) => {
  const traced = run()
  return E.isLeft(traced) && traced.left.kind === 'type' ? [[name, traced.left.place] as const] : []
})

describe('the place of a misuse under vitest', () => {
  const lines = readFileSync(join(import.meta.dirname, 'programs.ts'), 'utf8').split('\n')
  it.each(places)('is the line that is wrong: %s', (name, place) => {
    const line = lines[Number(/programs\.ts:(\d+):\d+\)/.exec(place)?.[1]) - 1] ?? ''
    expect(line).toMatch(/\/\/ !$/)
    if (line.includes('program(')) expect(line).toContain(`'${name}'`)
  })
})
