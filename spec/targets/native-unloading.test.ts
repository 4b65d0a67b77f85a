/** The runtime's threads sleep in its own memory: it must outlive whoever opened it. */
import { readFileSync, existsSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { setTimeout as after } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { findCompiler, runtimeLibrary } from '../../compiler/targets/native/compiler.ts'
import { openRuntime, peakOf } from '../../compiler/targets/native/library.ts'

/** Runs two threads once and lets go of everything. */
const used = async (path: string): Promise<number> => peakOf(openRuntime(path), path, 2)

const isCollector = (x: unknown): x is () => void => typeof x === 'function'

const collect = async (): Promise<void> => {
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  if (!isCollector(gc)) throw new Error('no collector')
  for (let i = 0; i < 4; i++) {
    gc()
    await after(10)
  }
}

const isMapped = (path: string): boolean => readFileSync('/proc/self/maps', 'utf8').includes(path)

describe('the runtime', () => {
  it.skipIf(!existsSync('/proc/self/maps'))('stays when it is no longer referred to, and runs again', { timeout: 120000 }, async () => {
    const compiler = await findCompiler()
    if ('_tag' in compiler) throw new Error(compiler.found)
    const path = await runtimeLibrary(compiler)
    if (typeof path !== 'string') throw new Error(path.found)
    expect(await used(path)).toBeGreaterThan(0)
    await collect()
    expect(isMapped(path)).toBe(true)
    expect(await used(path)).toBeGreaterThan(0)
  })
})
