/** A device that was closed may be collected at once: nothing looks at it any more. A process each, as a fault ends it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { showFault } from '../../core/fault.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import { isOptional } from '../support/optional.ts'

const here = await openTarget('gpujs:webgpu')()
if (E.isRight(here)) here.right.close()
else process.stderr.write(`closing of gpujs:webgpu is not tested: ${showFault(here.left)}\n`)

const open = new URL('../../compiler/targets/open.ts', import.meta.url).href

/** Opens and closes a target a few times; after each, the collector runs between turns of the event loop. */
const program = (target: string): string => `
  import { openTarget } from ${JSON.stringify(open)}
  for (let n = 0; n < 6; n++) {
    const device = await openTarget(${JSON.stringify(target)})()
    if (device._tag === 'Left') throw new Error(device.left.found)
    device.right.close()
    for (let turn = 0; turn < 6; turn++) {
      gc()
      Array.from({ length: 1000 }, () => new ArrayBuffer(500))
      await new Promise((next) => setImmediate(next))
    }
  }
  console.log('closed')
`

describe.skipIf(E.isLeft(here) && isOptional('gpujs:webgpu'))('a closed device', { timeout: 120_000 }, () => {
  it.each(['gpujs:webgpu', 'auto'])('%s', async (target) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--expose-gc', '--import', 'tsx', '--input-type=module', '--eval', program(target)],
      { timeout: 60_000 },
    )
    expect(stdout).toContain('closed')
  })
})
