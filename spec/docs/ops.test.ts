/** docs/ops.md names every op that there is, and each of its calls makes what its row says; programs.test.ts checks their types. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { expressions, isExpr } from '../../core/model.ts'
import { showType, sizeOf } from '../../core/type.ts'
import { isRecord } from '../../data/formats/codec.ts'
import { collective } from '../../ops/collective.ts'
import * as ops from '../../ops/index.ts'
import { root } from '../rooms/rooms.ts'
import { calls, callsProgram } from './ops.ts'

mkdirSync(join(root, '.cache'), { recursive: true })
const folder = mkdtempSync(join(root, '.cache/ops-'))
const file = join(folder, 'calls.ts')
writeFileSync(file, callsProgram)
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})
const program: unknown = await import(file)
const made: ReadonlyArray<unknown> = isRecord(program) && Array.isArray(program['made']) ? program['made'] : []

test('the tables name every op, and nothing else', () => {
  // `loadOp` makes an op of a file, and no expression
  const exported = Object.entries(ops).flatMap(([name, op]) => (typeof op === 'function' && name !== 'loadOp' ? [name] : []))
  expect([...new Set(calls.map(({ op }) => op))].sort()).toEqual(exported.sort())
})

describe('what a call of docs/ops.md makes', () => {
  it.each(calls.map((call, i) => [call.text, call, made[i]] as const))('%s', (_, { op, inputs, outputs }, result) => {
    const found = isExpr(result) ? [['', result] as const] : expressions(result)
    expect(found.map(([, e]) => e._tag)).not.toContain('Invalid')
    expect(found.map(([name, e]) => `${name} ${showType(e.type)}`)).toEqual(outputs.map(([name, type]) => `${name} ${showType(type)}`))
    // what ranks say to each other has values where they are side by side
    if (op in collective) return
    // ones are positions, divisors and conditions that there are
    const one = ({ dtype, shape }: (typeof inputs)[number][1]): Float64Array =>
      new Float64Array(sizeOf(shape)).map((_x, i) => (dtype === 'f32' ? 0.5 + i / 8 : 1))
    const values = evaluate(
      found.map(([, e]) => e),
      new Map(inputs.map(([name, type]) => [name, one(type)])),
    )
    expect(values.map((v) => v.length)).toEqual(outputs.map(([, type]) => sizeOf(type.shape)))
    expect(values.every((v) => v.every(Number.isFinite))).toBe(true)
  })
})
