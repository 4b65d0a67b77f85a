/** The runtime's threads sleep in its own memory: it must outlive whoever opened it. What nobody runs any more goes. */
import { readFileSync, existsSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { setTimeout as after } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { cacheFolder } from '../../compiler/targets/native/cache.ts'
import { findCompiler, runtimeLibrary } from '../../compiler/targets/native/compiler.ts'
import { nativeWith } from '../../compiler/targets/native/device.ts'
import { value } from '../../core/graph.ts'
import { add, tanh } from '../../ops/elementwise.ts'
import { must } from '../rules/agreement.ts'
import { expectClose, input, wave } from '../support/tensor.ts'

const size = 4096

/** Two threads share a kernel; whatever was opened for it is let go of. `by` makes the kernel one of its own. */
const usedBy = async (by: number): Promise<ArrayLike<number>> => {
  const device = await must(nativeWith({ threads: 2, least: 1 }).open)
  const executable = await must(device.compile({ name: 'used', outputs: [value('y', add(tanh(input('x', [size])), by))] }))
  const out = await must(executable.run({ values: new Map([['x', Float32Array.from(wave(size))]]) }))
  device.close()
  return out.get('y') ?? []
}

const expected = (by: number): ReadonlyArray<number> => wave(size).map((x) => Math.tanh(x) + by)

const isCollector = (x: unknown): x is () => void => typeof x === 'function'

const collect = async (): Promise<void> => {
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  if (!isCollector(gc)) throw new Error('no collector')
  for (let i = 0; i < 8; i++) {
    gc()
    await after(10)
  }
}

/** Libraries of the cache that the process has in memory. */
const mapped = (): ReadonlySet<string> =>
  new Set(
    readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .map((line) => line.slice(line.indexOf('/')))
      .filter((path) => path.startsWith(cacheFolder('native'))),
  )

describe('the runtime', () => {
  it.skipIf(!existsSync('/proc/self/maps'))(
    'stays when it is no longer referred to, as compiled kernels do not, and runs again',
    { timeout: 120000 },
    async () => {
      const compiler = await findCompiler()
      if ('_tag' in compiler) throw new Error(compiler.found)
      const runtime = await runtimeLibrary(compiler)
      if (typeof runtime !== 'string') throw new Error(runtime.found)
      expectClose(await usedBy(0.25), expected(0.25), 1e-6)
      const during = mapped()
      await collect()
      const left = mapped()
      // libraries do go: so the runtime stays because it holds itself
      expect([...during].filter((path) => !left.has(path)).length).toBeGreaterThan(0)
      expect(left.has(runtime)).toBe(true)
      expectClose(await usedBy(0.5), expected(0.5), 1e-6)
    },
  )
})
