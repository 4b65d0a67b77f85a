/**
 * No memory: arrays whose size follows from a file are made within guards, so that one that cannot be made is a refusal and ends nothing.
 * Every such allocation on the way of a whole file is made to fail once.
 */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, test } from 'vitest'
import { showFault } from '../../core/fault.ts'
import type { Kind } from '../fuzz/kind.ts'
import { kinds } from '../fuzz/kinds.ts'

const names = [
  'Float64Array',
  'Float32Array',
  'Int32Array',
  'Uint32Array',
  'Int16Array',
  'Uint16Array',
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'ArrayBuffer',
  'SharedArrayBuffer',
] as const

/** Runs a body while the allocation of this number fails as the engine says it; gives how many there were. */
const failing = async <A>(which: number, body: () => Promise<A>): Promise<{ readonly made: number; readonly result: A }> => {
  const originals = names.map((name) => [name, globalThis[name]] as const)
  let made = 0
  for (const [name, original] of originals)
    Object.assign(globalThis, {
      [name]: new Proxy<object>(original, {
        construct: (target, given: ReadonlyArray<unknown>, from): object => {
          if (typeof given[0] === 'number' && made++ === which) throw new RangeError('Array buffer allocation failed')
          const array: unknown = Reflect.construct(original, given, from)
          return typeof array === 'object' && array !== null ? array : target
        },
      }),
    })
  try {
    return { result: await body(), made }
  } finally {
    for (const [name, original] of originals) Object.assign(globalThis, { [name]: original })
  }
}

/** What compares values makes arrays, too, and is not what is tested: the innermost of our files is the specification's. */
const ofOracle = /^(?:(?!\/(?:core|ops|models|data|train)\/)[^])*?\/spec\/fuzz\//

/** Allocations that are made to fail, at most, of one file. */
const most = 12

const thrownBy = (kind: Kind, path: string, bytes: Buffer) => async (): Promise<string | undefined> => {
  try {
    const read = await kind.read(path, bytes)
    if (E.isRight(read)) return undefined
    return [read.left.place, read.left.found, read.left.allowed, read.left.remedy].includes('') ? showFault(read.left) : undefined
  } catch (e) {
    const stack = e instanceof Error ? (e.stack ?? e.message) : String(e)
    return ofOracle.test(stack) ? undefined : stack
  }
}

describe('memory that there is not', () => {
  test.each(kinds.map((k) => [k.name, k] as const))('for what a file of %s says is a refusal', async (_, kind) => {
    const folder = await mkdtemp(join(tmpdir(), 'dinograph-memory-'))
    for (const [name, bytes] of Object.entries((await kind.beside?.()) ?? {})) await writeFile(join(folder, name), bytes)
    const path = join(folder, kind.file)
    const thrown: Array<string> = []
    for (const bytes of (await kind.seeds()).slice(0, 4)) {
      await writeFile(path, bytes)
      // what is made once for all files is made before
      await kind.read(path, bytes)
      const { made } = await failing(-1, thrownBy(kind, path, bytes))
      const every = Math.max(1, Math.ceil(made / most))
      for (let which = 0; which < made; which += every) {
        const { result } = await failing(which, thrownBy(kind, path, bytes))
        if (result !== undefined) thrown.push(`allocation ${which} of ${made}: ${result}`)
      }
    }
    expect(thrown).toEqual([])
  })
})
